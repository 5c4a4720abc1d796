/** The programs that make traffic, run in a client pod of the variant's lab. */
import path from "node:path";
import { HawserError } from "../../core/errors.ts";
import { CLIENT_POD, type Endpoint } from "../world/services.ts";
import type { Variant } from "../world/variant.ts";
import { type IperfResult, parseIperf } from "./parse-iperf.ts";
import { parseWrk, type WrkResult } from "./parse-wrk.ts";

export interface WrkOptions {
  readonly connections: number;
  readonly seconds: number;
  /** A new connection for each call. */
  readonly close?: boolean;
}

export interface IperfOptions {
  readonly streams: number;
  readonly seconds: number;
  /** `down`: from the called pod to the caller. */
  readonly direction: "up" | "down";
}

/** Beyond its own time: start, and the last answers. */
const GRACE_MS = 15_000;
const LATENCY_SCRIPT = path.join(import.meta.dirname, "latency.lua");

export async function runWrk(variant: Variant, to: Endpoint, options: WrkOptions): Promise<WrkResult> {
  const { connections, seconds, close = false } = options;
  const flags = ["-t1", `-c${connections}`, `-d${seconds}s`, "-s", LATENCY_SCRIPT];
  const header = close ? ["-H", "Connection: close"] : [];
  const argv = ["wrk", ...flags, ...header, `http://${to.host}:${to.port}/`];
  return parseWrk(await output(variant, argv, seconds));
}

export async function runIperf(variant: Variant, to: Endpoint, options: IperfOptions): Promise<IperfResult> {
  const { streams, seconds, direction } = options;
  const flags = ["--json", "--parallel", `${streams}`, "--time", `${seconds}`];
  const reverse = direction === "down" ? ["--reverse"] : [];
  const argv = ["iperf3", "--client", to.host, "--port", `${to.port}`, ...flags, ...reverse];
  return parseIperf(await output(variant, argv, seconds));
}

async function output(variant: Variant, argv: readonly string[], seconds: number): Promise<string> {
  const result = await variant.lab.exec(CLIENT_POD, argv, { timeoutMs: seconds * 1_000 + GRACE_MS });
  // iperf3 says in its JSON why it failed.
  if (result.exitCode === 0 || argv[0] === "iperf3") return result.stdout;
  throw new HawserError("load-failed", `${argv.join(" ")} over ${variant.title}: ${result.stdout}${result.stderr}`);
}
