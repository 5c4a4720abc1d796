/** Small calls one after the other over each of some kept-alive connections. */
import type { Load } from "./load.ts";
import { cpuPerUnit, measureWindow } from "./measure-window.ts";
import { requireEndpoint } from "./require-endpoint.ts";
import { runWrk, SET_UP_MS } from "./run-programs.ts";

const CONNECTIONS = [1, 8, 64, 256] as const;

export const smallCalls: readonly Load[] = CONNECTIONS.map((connections) => ({
  id: `calls-${connections}`,
  group: "calls",
  title: `Small calls over ${connections} kept-alive connection${connections === 1 ? "" : "s"}`,
  unit: "call",
  metrics: [
    "callsPerSecond",
    "p50Us",
    "p99Us",
    "p999Us",
    "addedP50Us",
    "cpuUs",
    "clientCpuUs",
    "serverCpuUs",
    "errors",
  ],
  repeat: "every round",
  secondsPerSlice: ({ sliceSeconds }) => sliceSeconds + SET_UP_MS / 1_000,
  suits: () => true,
  run: async (variant, { sliceSeconds }) => {
    const load = runWrk(variant, requireEndpoint(variant, "calls"), { connections, seconds: sliceSeconds });
    const [{ p50Us, p99Us, p999Us, errors }, window] = await measureWindow(
      variant,
      { setUpMs: SET_UP_MS, seconds: sliceSeconds },
      load,
    );
    return {
      callsPerSecond: window.requests / window.seconds,
      p50Us,
      p99Us,
      p999Us,
      errors,
      ...cpuPerUnit(variant, window, window.requests),
    };
  },
}));
