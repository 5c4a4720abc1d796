/**
 * Experiment `sockmap`: pod and agent of one node exchange bytes by way of a sockmap instead of TCP over veth; in a third arm
 * only what the pod writes goes that way, which changes nothing for how the pod reads.
 */
import type { Experiment } from "../experiment.ts";
import { AS_IS } from "../experiment.ts";
import { addressWord, LoadedPrograms, sumOfCounters, words } from "../loaded-programs.ts";
import { NODES } from "../test-bench.ts";
import type { PodName, TestBench } from "../test-bench.ts";
import { BULK, CALLS_1, CALLS_256, CALLS_64, CLOSING } from "../wrk.ts";

const PODS_OF_NODES: readonly (readonly PodName[])[] = [
  ["client", "near"],
  ["far", "reader"],
];
const WAYS_TO_READ = ["splice", "waitall", "fionread", "unread"] as const;

export const sockmap: Experiment = {
  name: "sockmap",
  about: "pod on node-1 calls a pod on node-2 through both agents",
  arms: [
    AS_IS,
    { name: "sockmap", enter: (bench) => accelerate(bench, false) },
    { name: "pod to agent only", enter: (bench) => accelerate(bench, true) },
  ],
  loads: [CALLS_1, CALLS_64, CALLS_256, CLOSING, BULK],
  authority: (bench) => `${bench.address("far")}:8080`,
  observe: readInEveryWay,
};

async function accelerate(bench: TestBench, oneWay: boolean): Promise<AsyncDisposable> {
  const programs = await LoadedPrograms.load("accelerate");
  await programs.tell("put", "settings", words(0), words(oneWay ? 1 : 0));
  for (const [index, node] of NODES.entries()) {
    // struct place: node, is_agent, address.
    await programs.tell("put", "places", await programs.tell("cookie", bench.holder(node)), words(index, 1, 0));
    for (const pod of PODS_OF_NODES[index] ?? []) {
      const place = words(index, 0) + addressWord(bench.address(pod));
      await programs.tell("put", "places", await programs.tell("cookie", bench.holder(pod)), place);
    }
  }
  await programs.tell("messages", "redirect", "sockets");
  await programs.tell("cgroup", "find_pair", bench.cgroup.directory);
  return new CountedPrograms(bench, programs);
}

/** Says at its end what the programs counted: a figure of an arm that did nothing would be worth nothing. */
class CountedPrograms implements AsyncDisposable {
  readonly #bench: TestBench;
  readonly #programs: LoadedPrograms;

  constructor(bench: TestBench, programs: LoadedPrograms) {
    this.#bench = bench;
    this.#programs = programs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const counts: number[] = [];
    for (const index of [0, 1, 2]) counts.push(sumOfCounters(await this.#programs.tell("get", "counts", words(index))));
    const [sockets = 0, redirected = 0, byTcp = 0] = counts;
    this.#bench.note(`${sockets} sockets in the map, ${redirected} writes redirected, ${byTcp} by TCP`);
    await this.#programs[Symbol.asyncDispose]();
  }
}

async function readInEveryWay(bench: TestBench): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const way of WAYS_TO_READ) {
    const answer = await bench.inClient(["bpf-notes/.build/reader", "ask", bench.address("reader"), way]);
    lines.push(`${way}: ${answer.trim()}`);
  }
  return lines;
}
