/**
 * A process that holds what an agent holds: the main thread's table and one real data worker with its own. Prints as JSON
 * what the table costs, and how long one pod's change takes on its way into the kernel's sets.
 *
 *   node --expose-gc agent-cost-main.cjs <packed snapshot> <node>     (a bundle; in a network namespace of its own)
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { decodeFrame } from "../../agent/control/decode-frame.ts";
import { Commands } from "../../agent/netfilter/commands.ts";
import { type DesiredRules, desiredRules } from "../../agent/netfilter/desired-rules.ts";
import { NodeNetworks } from "../../agent/netfilter/node-networks.ts";
import { nodeView } from "../../agent/netfilter/node-view.ts";
import { SetWriter } from "../../agent/netfilter/set-writer.ts";
import type { ToWorker } from "../../agent/worker/messages.ts";
import { HawserError } from "../../core/errors.ts";
import { runCommand } from "../../core/run-command.ts";
import { mallocTrimmer } from "../../core/trim-malloc.ts";
import { TableState } from "../../routing/table-state.ts";
import { median } from "../statistics.ts";
import type { AgentCostReport } from "./control-report.ts";
import { startDataWorker, WORKER_PORTS } from "./start-data-worker.ts";

interface Footprint {
  readonly residentBytes: number;
  readonly mainHeapBytes: number;
  readonly workerHeapBytes: number;
}

type ChangeTimes = Pick<AgentCostReport, "viewMs" | "setsMs" | "changeMs" | "setMembers">;

const CHANGES = 15;
/** For memory that is given back a little later. */
const SETTLE_MS = 500;
/** As the agent itself does within a minute (core/return-memory.ts). */
const returnMemory = mallocTrimmer();

const [file = "", node = ""] = process.argv.slice(2);

async function main(): Promise<void> {
  const worker = startDataWorker(node);
  await new Promise((resolve) => worker.once("message", resolve));
  const without = await footprint(worker);
  const table = takeTable(worker);
  const withTable = await footprint(worker);
  await worker.terminate();
  const times = await timeChanges(table);
  const report: AgentCostReport = {
    pods: [...table.workloads()].length,
    residentMb: (withTable.residentBytes - without.residentBytes) / 1e6,
    mainHeapMb: (withTable.mainHeapBytes - without.mainHeapBytes) / 1e6,
    workerHeapMb: (withTable.workerHeapBytes - without.workerHeapBytes) / 1e6,
    ...times,
  };
  console.log(JSON.stringify(report));
}

function takeTable(worker: Worker): TableState {
  const message = decodeFrame(readFileSync(file), true);
  if (message?.kind !== "snapshot") throw new HawserError("no-snapshot", `${file} holds no snapshot`);
  worker.postMessage({ kind: "snapshot", table: message.table } satisfies ToWorker);
  return new TableState(message.table);
}

async function footprint(worker: Worker): Promise<Footprint> {
  await sleep(SETTLE_MS);
  globalThis.gc?.();
  returnMemory();
  const statistics = await worker.getHeapStatistics();
  const { rss, heapUsed } = process.memoryUsage();
  return { residentBytes: rss, mainHeapBytes: heapUsed, workerHeapBytes: statistics.used_heap_size };
}

/** One pod of another node comes back with another address, again and again; medians. */
async function timeChanges(state: TableState): Promise<ChangeTimes> {
  const writer = new SetWriter(new Commands(runCommand), sleep);
  const networks = new NodeNetworks();
  const rules = (): DesiredRules => desiredRules(nodeView(state, node, networks), WORKER_PORTS);
  await writer.write(rules().sets);
  const viewMs: number[] = [];
  const setsMs: number[] = [];
  const totalMs: number[] = [];
  for (let change = 0; change < CHANGES; change += 1) {
    const beganMs = performance.now();
    changeOnePod(state, change);
    const wanted = rules();
    const viewedMs = performance.now();
    await writer.write(wanted.sets);
    const endedMs = performance.now();
    viewMs.push(viewedMs - beganMs);
    setsMs.push(endedMs - viewedMs);
    totalMs.push(endedMs - beganMs);
  }
  const setMembers = Math.max(...rules().sets.map((set) => set.entries.size));
  return { viewMs: median(viewMs), setsMs: median(setsMs), changeMs: median(totalMs), setMembers };
}

function changeOnePod(state: TableState, change: number): void {
  const pod = [...state.workloads()].find((workload) => workload.node !== node);
  if (pod === undefined) throw new HawserError("no-pod", "There is no pod on another node");
  const workload = { ...pod, addresses: [`10.255.0.${change + 1}`] };
  const { epoch, sequence } = state;
  state.apply({ epoch, sequence: sequence + 1, upserts: { workload: [workload] }, removals: {} });
}

void main();
