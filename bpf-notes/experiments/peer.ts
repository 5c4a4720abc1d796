/**
 * Experiment `peer`: calls inside a node, which the product leaves to the kernel, handed from veth to veth: by tc
 * (bpf_redirect_peer), and by XDP. XDP needs the pods' offloads off; one arm shows what that alone costs.
 */
import { OFFLOADS } from "../build-programs.ts";
import type { Experiment } from "../experiment.ts";
import { AS_IS } from "../experiment.ts";
import { addressWord, LoadedPrograms, words } from "../loaded-programs.ts";
import { undoBy } from "../node-netfilter.ts";
import type { PodName, TestBench } from "../test-bench.ts";
import { BULK, CALLS_1, CALLS_64, CLOSING } from "../wrk.ts";

const PODS: readonly PodName[] = ["client", "near"];

export const peer: Experiment = {
  name: "peer",
  about: "pod on node-1 calls a pod on node-1: no agent on the way",
  arms: [
    AS_IS,
    { name: "tc redirect_peer", enter: redirectPackets },
    { name: "offloads off", enter: turnOffOffloads },
    { name: "XDP, offloads off", enter: redirectFrames },
  ],
  loads: [CALLS_1, CALLS_64, CLOSING, BULK],
  authority: (bench) => `${bench.address("near")}:8080`,
};

async function redirectPackets(bench: TestBench): Promise<AsyncDisposable> {
  const programs = await LoadedPrograms.load("to-peer");
  for (const pod of PODS) {
    const { name, index } = await bench.vethOf(pod);
    await programs.tell("put", "interfaces", addressWord(bench.address(pod)), words(index));
    await programs.tell("tcx", "to_peer", bench.holder("node-1"), name);
  }
  return programs;
}

async function redirectFrames(bench: TestBench): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  stack.use(await turnOffOffloads(bench));
  const programs = stack.use(await LoadedPrograms.load("xdp-to-peer"));
  for (const pod of PODS) {
    const { name, index, podHardware } = await bench.vethOf(pod);
    // struct target: interface, hardware address, two bytes unused.
    const target = `${words(index)}${podHardware.replaceAll(":", "")}0000`;
    await programs.tell("put", "targets", addressWord(bench.address(pod)), target);
    await programs.tell("xdp", "xdp_to_peer", bench.holder("node-1"), name);
  }
  return stack.move();
}

/** Also turns GRO on in the pods: without NAPI on the receiving side a veth takes no redirected frame. */
async function turnOffOffloads(bench: TestBench): Promise<AsyncDisposable> {
  const set = async (offloads: "on" | "off"): Promise<void> => {
    for (const pod of PODS) await bench.onNode(pod, [OFFLOADS, "eth0", offloads]);
  };
  await set("off");
  return undoBy(() => set("on"));
}
