/**
 * Experiment `sk-lookup`: routes bring intercepted packets to local delivery, a program chooses the listener; no
 * netfilter rule of ours is left in their way. For pod addresses only, as routes know nothing of ports or shares.
 */
import type { Experiment } from "../experiment.ts";
import { AS_IS } from "../experiment.ts";
import { LoadedPrograms } from "../loaded-programs.ts";
import { undoBy, unhook } from "../node-netfilter.ts";
import { NODES } from "../test-bench.ts";
import type { NodeName, TestBench } from "../test-bench.ts";
import { BULK, CALLS_1, CALLS_64, CLOSING } from "../wrk.ts";

/** Apart from the agent's own table and preferences (agent/netfilter/marks.ts). */
const TABLE = "15099";
const PREFERENCE = "140";

export const skLookup: Experiment = {
  name: "sk-lookup",
  about: "pod on node-1 calls a pod on node-2 through both agents",
  arms: [AS_IS, { name: "routes + sk_lookup", enter: chooseListeners }],
  loads: [CALLS_1, CALLS_64, CLOSING, BULK],
  authority: (bench) => `${bench.address("far")}:8080`,
};

async function chooseListeners(bench: TestBench): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  for (const node of NODES) {
    stack.use(await chooseListenersOf(bench, node));
    stack.use(await routeToLocal(bench, node));
  }
  stack.use(await unhook(bench, NODES, ["mangle"]));
  return stack.move();
}

export async function chooseListenersOf(bench: TestBench, node: NodeName): Promise<AsyncDisposable> {
  const programs = await LoadedPrograms.load("choose-listener");
  await putListeners(programs, bench, node);
  await programs.tell("netns", "choose_listener", bench.holder(node));
  return programs;
}

/** Map `listeners`: 0 outbound, 1 inbound. */
export async function putListeners(programs: LoadedPrograms, bench: TestBench, node: NodeName): Promise<void> {
  for (const [index, direction] of (["OUTBOUND", "INBOUND"] as const).entries()) {
    const port = await bench.listenerPort(node, direction);
    await programs.tell("listener", "listeners", index, bench.agentPid(node), port);
  }
}

async function routeToLocal(bench: TestBench, node: NodeName): Promise<AsyncDisposable> {
  const [own, other] = node === "node-1" ? ["10.244.1.0/24", "10.244.2.0/24"] : ["10.244.2.0/24", "10.244.1.0/24"];
  const rules = [
    ["iif", "pods", "to", other, "ipproto", "tcp", "lookup", TABLE],
    ["iif", "eth0", "to", own, "ipproto", "tcp", "dport", "15008", "lookup", TABLE],
  ];
  await bench.onNode(node, ["ip", "route", "add", "local", "default", "dev", "lo", "table", TABLE]);
  for (const rule of rules) await bench.onNode(node, ["ip", "rule", "add", "pref", PREFERENCE, ...rule]);
  return undoBy(async () => {
    for (const rule of rules) await bench.onNode(node, ["ip", "rule", "del", "pref", PREFERENCE, ...rule]);
    await bench.onNode(node, ["ip", "route", "flush", "table", TABLE]);
  });
}
