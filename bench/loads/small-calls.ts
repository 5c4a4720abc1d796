/**
 * Small calls one after the other over each of some kept-alive connections: as bytes, and with HTTP routing on the
 * callers' node (a rule by prefix of the path, a field added to each request).
 */
import { ROUTED_PATH } from "../world/services.ts";
import type { Load } from "./load.ts";
import { cpuPerUnit, measureWindow } from "./measure-window.ts";
import { requireEndpoint } from "./require-endpoint.ts";
import { runWrk, SET_UP_MS } from "./run-programs.ts";

interface Kind {
  readonly group: string;
  readonly service: "calls" | "http";
  readonly title: string;
  readonly path: string;
  readonly connections: number;
  /** No two calls are the same. */
  readonly varied?: boolean;
}

const CONNECTIONS = [1, 8, 64, 256] as const;

export const smallCalls: readonly Load[] = CONNECTIONS.map((connections) =>
  smallCallsOver({ group: "calls", service: "calls", title: "Small calls", path: "/", connections }),
);

export const routedCalls: readonly Load[] = CONNECTIONS.map((connections) =>
  smallCallsOver({
    group: "http",
    service: "http",
    title: "HTTP routing: small calls",
    path: ROUTED_PATH,
    connections,
  }),
);

/** The agent knows what comes again over a connection: this is the other end. */
export const variedCalls: readonly Load[] = [
  smallCallsOver({
    group: "http-varied",
    service: "http",
    title: "HTTP routing: small calls, no two the same,",
    path: ROUTED_PATH,
    connections: 64,
    varied: true,
  }),
];

function smallCallsOver({ group, service, title, path, connections, varied = false }: Kind): Load {
  return {
    id: `${group}-${connections}`,
    group,
    title: `${title} over ${connections} kept-alive connection${connections === 1 ? "" : "s"}`,
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
    suits: ({ endpointOf }) => endpointOf(service) !== undefined,
    run: async (variant, { sliceSeconds }) => {
      const options = { connections, seconds: sliceSeconds, path, varied };
      const load = runWrk(variant, requireEndpoint(variant, service), options);
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
  };
}
