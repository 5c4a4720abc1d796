/**
 * What a data worker counted since it last told the main thread: structured-cloneable, differences only (gauges are
 * absolute). The main thread adds the batches of all workers up (`metrics.ts`).
 */
import type { ConnectionDirection, ConnectionPath } from "./connection-log.ts";

/** Identifies a series of connections. Workloads, never pods: pods come and go too fast for a label. */
export interface ConnectionLabels {
  readonly direction: ConnectionDirection;
  readonly sourceWorkload: string;
  readonly sourceNamespace: string;
  /** `namespace/name`, or empty when a pod was dialled by its address. */
  readonly destinationService: string;
  readonly destinationWorkload: string;
  readonly destinationNamespace: string;
  readonly path: ConnectionPath;
}

/** Counters with few label values, and the names of their labels in the order of their values. */
export const COUNTER_LABELS = {
  handshakes: ["result", "tls_version", "key_exchange", "resumed"],
  dials: ["result"],
  ejections: ["service", "cause"],
  pauses: ["service"],
  retries: [],
  refused: ["reason"],
  limitHits: ["limit"],
  mirrored: ["backend", "result"],
  hedges: ["event"],
  collapsed: ["result"],
  policyRefusals: ["policy", "reason"],
  faults: ["policy", "fault"],
  circuitTransitions: ["policy", "scope", "state"],
  detections: ["outcome"],
} as const;
export type CounterName = keyof typeof COUNTER_LABELS;

export interface ConnectionDelta {
  readonly labels: ConnectionLabels;
  readonly opened: number;
  /** Open now minus open at the last batch. */
  readonly openChange: number;
  readonly closed: Readonly<Record<string, number>>;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface CounterDelta {
  readonly name: CounterName;
  readonly labelValues: readonly string[];
  readonly value: number;
}

export interface DurationDelta {
  readonly direction: ConnectionDirection;
  readonly path: ConnectionPath;
  /** Observations per bucket of `CONNECT_SECONDS_BUCKETS`, and one more for everything above. Not cumulative. */
  readonly buckets: readonly number[];
  readonly sumSeconds: number;
}

/** Identifies a series of HTTP requests. */
export interface RequestLabels {
  readonly sourceWorkload: string;
  readonly sourceNamespace: string;
  /** `namespace/name` of the Service that was dialled. */
  readonly destinationService: string;
  /** `namespace/name rule` of the route, or empty. */
  readonly route: string;
  /** `namespace/name` of the Service that it was sent to, or empty. */
  readonly backend: string;
}

export interface RequestDelta {
  readonly labels: RequestLabels;
  /** By class of status (`2xx`; `none` when the client was told nothing) and reason: `2xx answered`. */
  readonly counts: Readonly<Record<string, number>>;
  /** Observations per bucket of `REQUEST_SECONDS_BUCKETS`, and one more for everything above. Not cumulative. */
  readonly buckets: readonly number[];
  readonly sumSeconds: number;
}

export interface WorkerGauges {
  tunnelsOpen: number;
  streamsOpen: number;
  bufferedBytes: number;
  /** Connections to endpoints: all that HTTP has, and those that wait for a request. */
  upstreamsOpen: number;
  idleUpstreams: number;
  /** Those in lines, for a place of a concurrency limit. */
  waitingRequests: number;
  /** HTTP requests that have no end yet. */
  requestsOpen: number;
  /** Of the worker's clock, still to fire. */
  timersOpen: number;
  /** Of the worker's own heap, and of what its objects hold outside of it. */
  heapBytes: number;
  externalBytes: number;
}

/** How one circuit breaker is now. */
export interface CircuitReading {
  /** `namespace/name` of the TrafficPolicy. */
  readonly policy: string;
  /** What the policy is for. */
  readonly scope: string;
  readonly state: "closed" | "half-open" | "open";
}

export interface MetricsBatch {
  readonly connections: readonly ConnectionDelta[];
  readonly counters: readonly CounterDelta[];
  readonly connectDurations: readonly DurationDelta[];
  readonly requests: readonly RequestDelta[];
  readonly gauges: Readonly<WorkerGauges>;
  readonly circuits: readonly CircuitReading[];
  /** What keeps the worker's event loop busy, by Node's names of its kinds (sockets, servers, ports). */
  readonly resources: Readonly<Record<string, number>>;
}

/** From a warm tunnel in the same rack to a connect timeout. */
export const CONNECT_SECONDS_BUCKETS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** From an answer out of a cache to a report that somebody waits for. */
export const REQUEST_SECONDS_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
