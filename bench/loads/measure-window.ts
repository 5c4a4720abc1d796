/**
 * What happens in a window inside a load, when its connections are open and before they close:
 *
 *   load   |== set-up ==|=========== calls ==============|
 *   window                ^ counters read              ^ counters read
 *
 * Handshakes of kept-alive connections are thus no part of what a call costs.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Variant } from "../world/variant.ts";
import type { MetricValues } from "../metrics.ts";
import { FAR_POD } from "../world/services.ts";
import { parseRequests } from "./parse-requests.ts";

export interface Window {
  readonly seconds: number;
  readonly requests: number;
  readonly clientCpuUs: number;
  readonly serverCpuUs: number;
}

interface Counters {
  readonly atMs: number;
  readonly requests: number;
  readonly clientCpuNs: number;
  readonly serverCpuNs: number;
}

/** The programs of a load start, and their first calls are over. */
const BEFORE_MS = 200;
/** A load ends on time, our timers may be late. */
const AFTER_MS = 100;
/** The port that nginx serves in its pod, see pods/nginx.sh. */
const STATUS_PORT = 8_080;

export interface WindowTimes {
  /** From the load's start to its first call. */
  readonly setUpMs: number;
  readonly seconds: number;
}

export async function measureWindow<T>(
  variant: Variant,
  { setUpMs, seconds }: WindowTimes,
  load: Promise<T>,
): Promise<readonly [T, Window]> {
  // A load that fails at once must not be an unhandled rejection while we wait.
  load.catch(() => {});
  await delay(setUpMs + BEFORE_MS);
  const before = await readCounters(variant);
  await delay(seconds * 1_000 - BEFORE_MS - AFTER_MS);
  const after = await readCounters(variant);
  return [await load, difference(before, after)];
}

/** CPU time of the proxies for each of `units`. Nothing for direct calls. */
export function cpuPerUnit(
  variant: Variant,
  window: Pick<Window, "clientCpuUs" | "serverCpuUs">,
  units: number,
): MetricValues {
  if (variant.proxies === undefined) return {};
  const { clientCpuUs, serverCpuUs } = window;
  return {
    cpuUs: (clientCpuUs + serverCpuUs) / units,
    clientCpuUs: clientCpuUs / units,
    serverCpuUs: serverCpuUs / units,
  };
}

async function readCounters(variant: Variant): Promise<Counters> {
  const { body } = await variant.lab.call("podHttp", { pod: FAR_POD, port: STATUS_PORT, path: "/status" });
  return {
    atMs: performance.now(),
    requests: parseRequests(body),
    clientCpuNs: variant.proxies?.client.cpuNs() ?? 0,
    serverCpuNs: variant.proxies?.server.cpuNs() ?? 0,
  };
}

function difference(before: Counters, after: Counters): Window {
  return {
    seconds: (after.atMs - before.atMs) / 1_000,
    // The second reading is a request itself.
    requests: after.requests - before.requests - 1,
    clientCpuUs: (after.clientCpuNs - before.clientCpuNs) / 1_000,
    serverCpuUs: (after.serverCpuNs - before.serverCpuNs) / 1_000,
  };
}
