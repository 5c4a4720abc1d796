/**
 * Experiment `steer`: programs at the pods' bridge and at the uplink give packets their socket, in place of our mangle
 * chains; in a second arm the agent's packets also leave conntrack out; in a third no table of netfilter is hooked at all, which
 * is the most that anything could win here.
 */
import type { Experiment } from "../experiment.ts";
import { AS_IS } from "../experiment.ts";
import { addressWord, LoadedPrograms, words } from "../loaded-programs.ts";
import { untrack, unhook } from "../node-netfilter.ts";
import { NODES } from "../test-bench.ts";
import type { NodeName, PodName, TestBench } from "../test-bench.ts";
import { BULK, CALLS_1, CALLS_64, CLOSING } from "../wrk.ts";
import { chooseListenersOf, putListeners } from "./sk-lookup.ts";

/** Below the ports that the loads use (run.ts). */
const FIRST_PORT = 2_000;
const PORTS = 8_000;

const REMOTE = 0;
const LOCAL = 1;
const NODE_OF_PODS: Readonly<Record<PodName, NodeName>> = {
  client: "node-1",
  near: "node-1",
  far: "node-2",
  reader: "node-2",
};

export const steer: Experiment = {
  name: "steer",
  about: "pod on node-1 calls a pod on node-2 through both agents",
  arms: [
    AS_IS,
    { name: "tc", enter: (bench) => steerPackets(bench, { tables: ["mangle"] }) },
    { name: "tc, untracked", enter: (bench) => steerPackets(bench, { tables: ["mangle"], untracked: true }) },
    {
      name: "tc, no tables",
      enter: (bench) => steerPackets(bench, { tables: ["mangle", "nat", "filter"], untracked: true }),
    },
    {
      name: "tc without sk_lookup",
      enter: (bench) => steerPackets(bench, { tables: ["mangle"], alone: true }),
      observedOnly: true,
    },
  ],
  loads: [CALLS_1, CALLS_64, CLOSING, BULK],
  authority: (bench) => `${bench.address("far")}:8080`,
  observe: usePortAgain,
};

interface Steering {
  /** Out of the packets' way. */
  readonly tables: Parameters<typeof unhook>[2];
  readonly untracked?: boolean;
  /** Nothing answers when TCP itself looks for a listener. */
  readonly alone?: boolean;
}

async function steerPackets(bench: TestBench, { tables, untracked, alone }: Steering): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  for (const node of NODES) {
    const programs = stack.use(await LoadedPrograms.load("steer"));
    await putListeners(programs, bench, node);
    for (const [pod, home] of Object.entries(NODE_OF_PODS)) {
      const place = home === node ? LOCAL : REMOTE;
      await programs.tell("put", "pods", addressWord(bench.address(pod as PodName)), words(place));
    }
    await programs.tell("tcx", "steer_pods", bench.holder(node), "pods");
    await programs.tell("tcx", "steer_nodes", bench.holder(node), "eth0");
    if (alone !== true) stack.use(await chooseListenersOf(bench, node));
  }
  if (untracked === true) stack.use(await untrack(bench, NODES));
  stack.use(await unhook(bench, NODES, tables));
  return stack.move();
}

/** The agent's socket towards the client is left in TIME_WAIT, and a SYN comes for it. */
async function usePortAgain(bench: TestBench): Promise<readonly string[]> {
  const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
  const call = [process.execPath, "bpf-notes/pods/call-from-port.ts", bench.address("far"), "8080", `${port}`];
  const first = await bench.inClient(call);
  const second = await bench.inClient(call);
  return [`first call from a port: ${first.trim()}`, `second call from the same port: ${second.trim()}`];
}
