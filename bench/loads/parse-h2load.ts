/** h2load's figures, from the lines that it writes for people. */
import { HawserError } from "../../core/errors.ts";

export interface H2loadResult {
  /** Answered with success. */
  readonly requests: number;
  readonly errors: number;
}

export function parseH2load(stdout: string): H2loadResult {
  const found = /, (\d+) succeeded, (\d+) failed, (\d+) errored/.exec(stdout);
  if (found === null) throw new HawserError("no-figures", `h2load printed no figures: ${stdout.slice(0, 500)}`);
  const [requests = 0, failed = 0] = found.slice(1).map(Number);
  // What errored is a part of what failed.
  return { requests, errors: failed };
}
