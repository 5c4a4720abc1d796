/** One run of wrk in the client pod: requests, bytes and latencies out of what it prints. */
import { HawserError } from "../core/errors.ts";
import type { TestBench } from "./test-bench.ts";

export interface Load {
  readonly name: string;
  readonly connections: number;
  readonly path: string;
  /** A new connection for every request. */
  readonly closing: boolean;
  /** What costs are divided by: requests, or MiB of answers. */
  readonly unit: "call" | "MiB";
}

export interface LoadResult {
  readonly units: number;
  readonly unitsPerSecond: number;
  readonly p50Ms: number;
  readonly failed: number;
}

export const CALLS_1: Load = { name: "calls, c=1", connections: 1, path: "/", closing: false, unit: "call" };
export const CALLS_64: Load = { name: "calls, c=64", connections: 64, path: "/", closing: false, unit: "call" };
export const CALLS_256: Load = { name: "calls, c=256", connections: 256, path: "/", closing: false, unit: "call" };
export const CLOSING: Load = {
  name: "new connection each, c=16",
  connections: 16,
  path: "/",
  closing: true,
  unit: "call",
};
export const BULK: Load = { name: "bulk, c=2", connections: 2, path: "/1m.bin", closing: false, unit: "MiB" };

export async function runWrk(
  bench: TestBench,
  load: Load,
  authority: string,
  seconds: number,
  ownCgroup: boolean,
): Promise<LoadResult> {
  const header = load.closing ? ["-H", "Connection: close"] : [];
  const argv = ["wrk", "-t1", `-c${load.connections}`, `-d${seconds}s`, "--latency", ...header];
  return parseWrk(await bench.inClient([...argv, `http://${authority}${load.path}`], ownCgroup), load.unit);
}

/** Throws `wrk-failed` when the text is not wrk's, or nothing was answered. */
export function parseWrk(text: string, unit: Load["unit"]): LoadResult {
  const total = /(\d+) requests in ([\d.]+)(ms|s|m), ([\d.]+)([KMGT]?)B read/.exec(text);
  const p50 = /^\s+50%\s+([\d.]+)(us|ms|s)/m.exec(text);
  if (total === null || p50 === null || Number(total[1]) === 0)
    throw new HawserError("wrk-failed", `wrk said: ${text}`);
  const seconds = Number(total[2]) * { ms: 0.001, s: 1, m: 60 }[total[3] as "ms" | "s" | "m"];
  const mebibytes = Number(total[4]) * 1024 ** (" KMGT".indexOf(total[5] || " ") - 2);
  const units = unit === "call" ? Number(total[1]) : mebibytes;
  const failures = [...text.matchAll(/(?:connect|read|write|timeout|responses:) (\d+)/g)];
  return {
    units,
    unitsPerSecond: units / seconds,
    p50Ms: Number(p50[1]) * { us: 0.001, ms: 1, s: 1_000 }[p50[2] as "us" | "ms" | "s"],
    failed: failures.reduce((sum, [, count]) => sum + Number(count), 0),
  };
}
