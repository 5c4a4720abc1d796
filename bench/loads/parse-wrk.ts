/** wrk's figures, as latency.lua prints them: a line of JSON among what wrk writes for people. */
import { HawserError } from "../../core/errors.ts";

export interface WrkResult {
  readonly requests: number;
  readonly durationUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** Connections that failed, reads, writes, answers that were no success, and answers after 2 s. */
  readonly errors: number;
  /** Of these, the answers after 2 s. */
  readonly timeouts: number;
}

export function parseWrk(stdout: string): WrkResult {
  const line = stdout.split("\n").find((candidate) => candidate.startsWith('{"requests"'));
  if (line === undefined) throw new HawserError("no-figures", `wrk printed no figures: ${stdout.slice(0, 500)}`);
  return JSON.parse(line) as WrkResult;
}
