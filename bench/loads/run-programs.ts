/** The programs that make traffic, run in a client pod of the variant's lab. */
import path from "node:path";
import { HawserError } from "../../core/errors.ts";
import { CLIENT_POD, type Endpoint } from "../world/services.ts";
import type { Variant } from "../world/variant.ts";
import { type IperfResult, parseIperf } from "./parse-iperf.ts";
import { parseWrk, type WrkResult } from "./parse-wrk.ts";

export interface WrkOptions {
  readonly connections: number;
  /** Of calls. Kept-alive connections are opened before, which takes `SET_UP_MS`. */
  readonly seconds: number;
  /** A new connection for each call. */
  readonly close?: boolean;
  /** `/` when absent. */
  readonly path?: string;
  /** No two requests are the same. */
  readonly varied?: boolean;
}

export interface IperfOptions {
  readonly streams: number;
  readonly seconds: number;
  /** `down`: from the called pod to the caller. */
  readonly direction: "up" | "down";
}

/** From the start of kept-alive connections to their first call: 256 TLS handshakes take up to half of it. */
export const SET_UP_MS = 1_000;

/** Beyond its own time: start, and the last answers. */
const GRACE_MS = 15_000;
const FIGURES_SCRIPT = path.join(import.meta.dirname, "wrk-figures.lua");

export async function runWrk(variant: Variant, to: Endpoint, options: WrkOptions): Promise<WrkResult> {
  const { connections, seconds, close = false, path: urlPath = "/", varied = false } = options;
  const setUpMs = close ? 0 : SET_UP_MS;
  const total = seconds + setUpMs / 1_000;
  const flags = ["-t1", `-c${connections}`, `-d${total}s`, "-s", FIGURES_SCRIPT];
  const header = close ? ["-H", "Connection: close"] : [];
  const url = `http://${to.host}:${to.port}${urlPath}`;
  const argv = ["wrk", ...flags, ...header, url, "--", `${connections}`, `${setUpMs}`, ...(varied ? ["varied"] : [])];
  const result = parseWrk(await output(variant, argv, total));
  return { ...result, durationUs: result.durationUs - setUpMs * 1_000 };
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
