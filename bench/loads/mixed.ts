/**
 * Small calls beside bulk, between the same two nodes: what a page waits for while a backup runs. The bulk goes down,
 * from the called node to the callers', as the answers of the calls do.
 */
import type { Load } from "./load.ts";
import { requireEndpoint } from "./require-endpoint.ts";
import { runIperf, runWrk, SET_UP_MS } from "./run-programs.ts";

const MIB = 1024 * 1024;
const BULK_STREAMS = 4;
const CALL_CONNECTIONS = 8;
/** The bulk is there before the first call, and after the last. */
const BULK_EXTRA_SECONDS = SET_UP_MS / 1_000 + 1;

export const mixed: Load = {
  id: "mixed",
  group: "mixed",
  title: `Small calls over ${CALL_CONNECTIONS} connections beside bulk down over ${BULK_STREAMS}`,
  metrics: ["p50Us", "p99Us", "p999Us", "callsPerSecond", "mibPerSecond", "errors"],
  repeat: "every round",
  secondsPerSlice: ({ sliceSeconds }) => sliceSeconds + BULK_EXTRA_SECONDS,
  suits: () => true,
  run: async (variant, { sliceSeconds }) => {
    const bulk = runIperf(variant, requireEndpoint(variant, "bulk"), {
      streams: BULK_STREAMS,
      direction: "down",
      seconds: sliceSeconds + BULK_EXTRA_SECONDS,
    });
    const calls = runWrk(variant, requireEndpoint(variant, "calls"), {
      connections: CALL_CONNECTIONS,
      seconds: sliceSeconds,
    });
    const [{ requests, durationUs, p50Us, p99Us, p999Us, errors }, { bytes, seconds }] = await Promise.all([
      calls,
      bulk,
    ]);
    return {
      p50Us,
      p99Us,
      p999Us,
      errors,
      callsPerSecond: requests / (durationUs / 1_000_000),
      mibPerSecond: bytes / MIB / seconds,
    };
  },
};
