/** The soak alone: `node bench/soak/main.ts --help`. */
import { Command, InvalidArgumentError } from "commander";
import { describeError, HawserError } from "../../core/errors.ts";
import { Progress } from "../report/progress.ts";
import { formatSoak } from "./format-soak.ts";
import { runSoak } from "./run-soak.ts";

interface Flags {
  readonly minutes: number;
  readonly json: boolean;
}

const SECONDS_PER_MINUTE = 60;
/** At full speed that is as many requests as a busy service has in a day. */
const DEFAULT_MINUTES = 10;

function minutes(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Expected a number above 0.");
}

const flags = new Command("soak")
  .description("HTTP/1.1, HTTP/2 and gRPC at full speed; then everything must be back where it was, and memory flat")
  .option("--minutes <n>", "of load; parts of one are allowed", minutes, DEFAULT_MINUTES)
  .option("--json", "one JSON document with every sample instead of text", false)
  .parse()
  .opts<Flags>();

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => interrupted.abort(new HawserError("interrupted", "Interrupted")));
}
const progress = new Progress(process.stderr);
try {
  const result = await runSoak(Math.round(flags.minutes * SECONDS_PER_MINUTE), progress, interrupted.signal);
  progress.end();
  process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : formatSoak(result));
  if (!result.verdicts.every(({ ok }) => ok)) process.exitCode = 1;
} catch (error) {
  progress.end();
  console.error(describeError(error));
  process.exitCode = 1;
}
