/** A new connection for each call. wrk's latencies begin after the TCP handshake, so only the rate is told. */
import type { Load } from "./load.ts";
import { cpuPerUnit, measureWindow } from "./measure-window.ts";
import { requireEndpoint } from "./require-endpoint.ts";
import { runWrk } from "./run-programs.ts";

/** Enough to keep both cores busy, few enough that connections do not wait for each other in backlogs. */
const CONNECTIONS = 16;

export const newConnections: Load = {
  id: "connect",
  group: "connect",
  title: `New connections, one call each, ${CONNECTIONS} at a time`,
  unit: "connection",
  metrics: ["connectionsPerSecond", "cpuUs", "clientCpuUs", "serverCpuUs", "errors"],
  repeat: "every round",
  secondsPerSlice: ({ sliceSeconds }) => sliceSeconds,
  suits: () => true,
  run: async (variant, { sliceSeconds }) => {
    const options = { connections: CONNECTIONS, seconds: sliceSeconds, close: true };
    const load = runWrk(variant, requireEndpoint(variant, "calls"), options);
    const [{ errors }, window] = await measureWindow(variant, { setUpMs: 0, seconds: sliceSeconds }, load);
    return {
      connectionsPerSecond: window.requests / window.seconds,
      errors,
      ...cpuPerUnit(variant, window, window.requests),
    };
  },
};
