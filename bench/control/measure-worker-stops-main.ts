/**
 * How long a data worker of an agent stands still for the first table of a large cluster with routes, and for changes of it.
 *
 *   node bench/control/measure-worker-stops-main.ts
 */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleProcess } from "../../build/bundle.ts";
import { agentNodeFlags } from "../../build/node-flags.ts";
import { runCommand } from "../../core/run-command.ts";
import { namespaceSupport, unshareCommand } from "../../lab/launcher/namespace-support.ts";
import type { TableDelta } from "../../protocol/table.ts";
import { diffTables } from "../../routing/diff.ts";
import { TableCompiler } from "../../routing/table-compiler.ts";
import { nodeName } from "./cluster-files.ts";
import { agentNodes, routedCluster } from "./routed-cluster.ts";
import type { WorkerStopsInput } from "./worker-stops.ts";

const CHANGES = 200;
const CHANGED = ["one pod", "one route", "one policy of a Service", "a Service comes or goes", "a Node comes or goes"];
const ENTRIES = ["bench/control/worker-stops-main.ts", "agent/worker/worker-main.ts"];

function tableAndChanges(): WorkerStopsInput {
  const cluster = routedCluster();
  const compiler = new TableCompiler();
  const compile = () => compiler.compile({ documents: cluster.documents(), agentNodes, judgement: "each" }).contents;
  let last = compile();
  const snapshot = { ...last, epoch: "bench", sequence: 1 };
  let sequence = 1;
  const changes = CHANGED.map((what) => {
    const deltas: TableDelta[] = [];
    for (let number = 0; number < CHANGES; number += 1) {
      cluster.changes.get(what)?.make(number);
      const contents = compile();
      const change = diffTables(last, contents);
      if (change === undefined) throw new Error(`Nothing has changed by ${what}`);
      sequence += 1;
      deltas.push({ ...change, epoch: "bench", sequence });
      last = contents;
    }
    return [what, deltas] as const;
  });
  return { node: nodeName(0), snapshot, changes };
}

const directory = mkdtempSync(join(tmpdir(), "hawser-worker-stops-"));
try {
  const support = await namespaceSupport();
  if (!support.supported) throw new Error(`Cannot make namespaces here: ${support.reason}`);
  symlinkSync(join(import.meta.dirname, "../../node_modules"), join(directory, "node_modules"));
  await bundleProcess(directory, ENTRIES);
  const file = join(directory, "input.json");
  writeFileSync(file, JSON.stringify(tableAndChanges()));
  const program = [process.execPath, ...agentNodeFlags, join(directory, "worker-stops-main.cjs"), file];
  const { exitCode, stdout, stderr } = await runCommand([...unshareCommand(support.userNamespace), ...program], {
    timeoutMs: 60_000,
  });
  console.log(stdout.trimEnd());
  if (exitCode !== 0) throw new Error(stderr);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
