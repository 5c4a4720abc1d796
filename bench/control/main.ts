/** The control bench alone: `node bench/control/main.ts --help`. */
import { Command, InvalidArgumentError } from "commander";
import { describeError } from "../../core/errors.ts";
import { judgeTargets } from "./control-targets.ts";
import { formatControlReport } from "./format-control-report.ts";
import { runControlBench } from "./run-control-bench.ts";

interface Flags {
  readonly agents: number;
  readonly pods: number;
  readonly services: number;
  readonly seconds: number;
  readonly rate: number;
  readonly quick: boolean;
  readonly json: boolean;
  readonly runtimeFlag: readonly string[];
}

/** Long enough for a few dozen tables. */
const QUICK_SECONDS = 10;

function count(text: string): number {
  if (/^[1-9][0-9]*$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number above 0.");
}

const flags = new Command("control")
  .description("What a controller, its agents and the wire between them do with many pods and many changes")
  .option("--agents <n>", "simulated agents, a node each", count, 1_000)
  .option("--pods <n>", "pods, spread over the nodes", count, 10_000)
  .option("--services <n>", "Services, the pods spread over them", count, 1_000)
  .option("--seconds <n>", "of sustained changes", count, 60)
  .option("--rate <n>", "changes per second meanwhile", count, 100)
  .option("--quick", `${QUICK_SECONDS} seconds of sustained changes`, false)
  .option("--json", "one JSON document instead of text", false)
  .option("--runtime-flag <flag...>", "for the controller's Node, e.g. --cpu-prof", [])
  .parse()
  .opts<Flags>();

try {
  const { agents, pods, services, rate, quick, runtimeFlag } = flags;
  const seconds = quick ? QUICK_SECONDS : flags.seconds;
  const report = await runControlBench({ agents, pods, services, rate, seconds, runtimeFlags: runtimeFlag });
  const targets = judgeTargets(report);
  console.log(flags.json ? JSON.stringify({ ...report, targets }, undefined, 2) : formatControlReport(report));
  if (!targets.every((target) => target.met)) process.exitCode = 1;
} catch (error) {
  console.error(describeError(error));
  process.exitCode = 1;
}
