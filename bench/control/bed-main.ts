/**
 * What `run-control-bench.ts` starts in namespaces of its own: measures, says on standard error how far it is, and
 * prints the figures as one JSON text.
 */
import { describeError } from "../../core/errors.ts";
import { runCommand } from "../../core/run-command.ts";
import { BenchPrograms } from "./bench-programs.ts";
import type { ControlBenchOptions, ControlBenchReport } from "./control-report.ts";
import { measureAgentCost } from "./measure-agent-cost.ts";
import { measureControlPlane } from "./measure-control-plane.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as ControlBenchOptions;
const beganMs = performance.now();
const progress = (phase: string): void =>
  console.error(`${((performance.now() - beganMs) / 1_000).toFixed(1).padStart(6)} s  ${phase}`);

try {
  await runCommand(["ip", "link", "set", "lo", "up"]);
  await using programs = await BenchPrograms.bundle();
  progress("an agent with and without a table");
  const agent = await measureAgentCost(options, programs);
  const plane = await measureControlPlane(options, programs, progress);
  console.log(JSON.stringify({ options, plane, agent } satisfies ControlBenchReport));
} catch (error) {
  console.error(describeError(error));
  process.exitCode = 1;
}
