/**
 * What the compiler of the table costs in a large cluster with routes and policies: a state as a whole, and one changed
 * document after the other, each with what becomes of it for the agents.
 *
 *   node bench/control/compile-routes-main.ts
 */
import type { CompileResult } from "../../routing/compile.ts";
import { diffTables } from "../../routing/diff.ts";
import { TableCompiler } from "../../routing/table-compiler.ts";
import { median, quantile } from "../statistics.ts";
import { agentNodes, type ClusterChange, type RoutedCluster, routedCluster } from "./routed-cluster.ts";

const CHANGES = 100;
const WHOLES = 10;

const compiler = new TableCompiler();

function compile(cluster: RoutedCluster, by = compiler): { readonly ms: number; readonly result: CompileResult } {
  const documents = cluster.documents();
  const beganMs = performance.now();
  const result = by.compile({ documents, agentNodes, judgement: "each" });
  return { ms: performance.now() - beganMs, result };
}

/** Each change must be as many entries of the table as it is meant to be, or else it is something else that was measured. */
function timeChanges(cluster: RoutedCluster, { make, entries }: ClusterChange): readonly number[] {
  let last = compile(cluster).result;
  const changed: number[] = [];
  const times = Array.from({ length: CHANGES }, (_, number) => {
    make(number);
    const { ms, result } = compile(cluster);
    const beganMs = performance.now();
    const { upserts = {}, removals = {} } = diffTables(last.contents, result.contents) ?? {};
    const diffMs = performance.now() - beganMs;
    changed.push([...Object.values(upserts), ...Object.values(removals)].reduce((sum, { length }) => sum + length, 0));
    last = result;
    return ms + diffMs;
  });
  if (median(changed) !== entries) throw new Error(`A change is ${median(changed)} entries instead of ${entries}`);
  return times;
}

function tell(what: string, times: readonly number[]): void {
  const figures = [0.5, 0.99].map((part) => quantile(times, part).toFixed(1)).join(" / ");
  console.log(`${what.padEnd(40)} ${figures} ms`);
}

const cluster = routedCluster();
tell(
  "all of it",
  Array.from({ length: WHOLES }, () => compile(cluster, new TableCompiler()).ms),
);
for (const [what, change] of cluster.changes) tell(`  ${what}`, timeChanges(cluster, change));
