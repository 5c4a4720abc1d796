/**
 * Metrics inside a data worker: plain numbers that the byte path adds to directly, gathered into a batch for the main
 * thread once a second. No label is looked up after a connection was opened, no promise, no allocation per byte.
 */
import type { Clock } from "../../core/clock.ts";
import type { EjectionCause } from "../balance/ejection.ts";
import { MAX_CONNECTION_SERIES, MAX_COUNTER_SERIES, OVERFLOW_LABEL, SERIES_IDLE_MS } from "./limits.ts";
import { CONNECT_SECONDS_BUCKETS } from "./metrics-batch.ts";
import type {
  CircuitReading,
  ConnectionDelta,
  ConnectionLabels,
  CounterDelta,
  CounterName,
  DurationDelta,
  MetricsBatch,
  WorkerGauges,
} from "./metrics-batch.ts";
import { RequestCounts } from "./request-counts.ts";
import { overflowOf, seriesKey } from "./series-key.ts";

/** The numbers of one label set, shared by all its connections. The byte path adds to the two byte fields. */
export interface ConnectionCounters {
  /** From source to destination, on both sides of the mesh. */
  sentBytes: number;
  /** From destination back to source. */
  receivedBytes: number;
}

export type HandshakeResult = "ok" | "failed" | "timeout" | "identity-mismatch";
export type DialResult = "ok" | "failed" | "timeout" | "refused";

/** Of a copy that a mirror got, or should have got. */
export type MirrorResult = "answered" | "failed" | "slow" | "dropped" | "refused";

export interface WorkerMetricsOptions {
  readonly clock: Clock;
  /** For tests; the default is `MAX_CONNECTION_SERIES`. */
  readonly maxConnectionSeries?: number;
  /** For tests; the default is `MAX_COUNTER_SERIES`. */
  readonly maxCounterSeries?: number;
}

export class WorkerMetrics {
  /** Absolute values; whoever owns the thing counted writes them. */
  readonly gauges: WorkerGauges = {
    tunnelsOpen: 0,
    streamsOpen: 0,
    bufferedBytes: 0,
    upstreamsOpen: 0,
    idleUpstreams: 0,
    waitingRequests: 0,
    requestsOpen: 0,
    timersOpen: 0,
    heapBytes: 0,
    externalBytes: 0,
  };
  /** Likewise. */
  circuits: readonly CircuitReading[] = [];
  /** As above, by kind. */
  resources: Readonly<Record<string, number>> = {};
  readonly requests: RequestCounts;
  readonly #clock: Clock;
  readonly #maxConnectionSeries: number;
  readonly #maxCounterSeries: number;
  readonly #series = new Map<string, Series>();
  readonly #counters = new Map<string, Counter>();
  readonly #durations = new Map<string, Durations>();

  constructor(options: WorkerMetricsOptions) {
    this.#clock = options.clock;
    this.requests = new RequestCounts(() => this.limitHit("request-series"));
    this.#maxConnectionSeries = options.maxConnectionSeries ?? MAX_CONNECTION_SERIES;
    this.#maxCounterSeries = options.maxCounterSeries ?? MAX_COUNTER_SERIES;
  }

  /** Call when the connection's way is known; give the result to `connectionClosed` when it ends. */
  connectionOpened(labels: ConnectionLabels): ConnectionCounters {
    const series = this.#seriesOf(labels);
    series.opened += 1;
    series.open += 1;
    return series;
  }

  /** `reason` must come from a fixed set in the code, never from a peer's text. */
  connectionClosed(counters: ConnectionCounters, reason: string): void {
    const series = counters as Series;
    series.open -= 1;
    series.closed.set(reason, (series.closed.get(reason) ?? 0) + 1);
  }

  /** From the client's SYN (outbound) or CONNECT (inbound) to the application's accept. */
  connectDuration(labels: Pick<ConnectionLabels, "direction" | "path">, durationMs: number): void {
    const key = `${labels.direction}|${labels.path}`;
    let durations = this.#durations.get(key);
    if (durations === undefined) {
      durations = { direction: labels.direction, path: labels.path, buckets: emptyBuckets(), sumSeconds: 0 };
      this.#durations.set(key, durations);
    }
    const seconds = durationMs / 1000;
    const bucket = bucketOf(seconds);
    durations.buckets[bucket] = (durations.buckets[bucket] ?? 0) + 1;
    durations.sumSeconds += seconds;
  }

  /** A TLS handshake of a tunnel, either side. Pass empty strings for what a failed one never reached. */
  handshake(result: HandshakeResult, tlsVersion: string, keyExchange: string, resumed: boolean): void {
    this.#count("handshakes", [result, tlsVersion, keyExchange, String(resumed)]);
  }

  /** A TCP connection that this worker started, to an agent or to a pod. */
  dial(result: DialResult): void {
    this.#count("dials", [result]);
  }

  /** A connection that was tried on another endpoint. */
  retry(): void {
    this.#count("retries", []);
  }

  ejection(service: string, cause: EjectionCause): void {
    this.#count("ejections", [service, cause]);
  }

  /** An endpoint that has asked to be left alone for a while. */
  pause(service: string): void {
    this.#count("pauses", [service]);
  }

  /** A connection that was refused on purpose, by its refusal code. */
  refused(reason: string): void {
    this.#count("refused", [reason]);
  }

  mirrored(backend: string, result: MirrorResult): void {
    this.#count("mirrored", [backend, result]);
  }

  /** A further try beside a late one. */
  hedge(event: "sent" | "won"): void {
    this.#count("hedges", [event]);
  }

  /** What became of a request that waited for the answer to an equal one. */
  collapsed(result: "shared" | "alone" | "left-behind"): void {
    this.#count("collapsed", [result]);
  }

  /** A connection to a port whose protocol nobody said, or what became of it. */
  detection(outcome: "http" | "tls" | "bytes" | "silent" | "known-server-first" | "server-first" | "http-late"): void {
    this.#count("detections", [outcome]);
  }

  /** A bound of some `limits.ts` did its work. */
  limitHit(limit: string): void {
    this.#count("limitHits", [limit]);
  }

  /** A request that a TrafficPolicy did not let through. */
  policyRefusal(policy: string, reason: string): void {
    this.#count("policyRefusals", [policy, reason]);
  }

  /** A request that a TrafficPolicy made suffer on purpose. */
  fault(policy: string, fault: "delay" | "abort" | "bandwidth"): void {
    this.#count("faults", [policy, fault]);
  }

  circuitTransition({ policy, scope, state }: CircuitReading): void {
    this.#count("circuitTransitions", [policy, scope, state]);
  }

  /** Everything since the last call. The worker posts it to the main thread. */
  collect(): MetricsBatch {
    return {
      connections: this.#collectConnections(),
      counters: this.#collectCounters(),
      connectDurations: this.#collectDurations(),
      requests: this.requests.collect(),
      gauges: { ...this.gauges },
      circuits: this.circuits,
      resources: this.resources,
    };
  }

  #seriesOf(labels: ConnectionLabels): Series {
    const key = seriesKey(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const overflow = overflowOf(labels);
    if (this.#series.size >= this.#maxConnectionSeries && key !== seriesKey(overflow)) {
      this.limitHit("connection-series");
      return this.#seriesOf(overflow);
    }
    const created = new Series(labels, this.#clock.monotonicMs());
    this.#series.set(key, created);
    return created;
  }

  #count(name: CounterName, labelValues: readonly string[]): void {
    const key = `${name}|${labelValues.join("|")}`;
    const known = this.#counters.get(key);
    if (known !== undefined) {
      known.value += 1;
      return;
    }
    if (this.#counters.size >= this.#maxCounterSeries && labelValues.some((value) => value !== OVERFLOW_LABEL)) {
      this.#count(
        name,
        labelValues.map(() => OVERFLOW_LABEL),
      );
      return;
    }
    this.#counters.set(key, { name, labelValues, value: 1 });
  }

  #collectConnections(): ConnectionDelta[] {
    const nowMs = this.#clock.monotonicMs();
    const deltas: ConnectionDelta[] = [];
    for (const [key, series] of this.#series) {
      const delta = series.takeDelta();
      if (delta !== undefined) {
        series.changedMs = nowMs;
        deltas.push(delta);
      } else if (series.open === 0 && nowMs - series.changedMs > SERIES_IDLE_MS) this.#series.delete(key);
    }
    return deltas;
  }

  #collectCounters(): CounterDelta[] {
    const deltas = [...this.#counters.values()];
    this.#counters.clear();
    return deltas;
  }

  #collectDurations(): DurationDelta[] {
    const deltas = [...this.#durations.values()];
    this.#durations.clear();
    return deltas;
  }
}

interface Counter {
  readonly name: CounterName;
  readonly labelValues: readonly string[];
  value: number;
}

interface Durations {
  readonly direction: ConnectionLabels["direction"];
  readonly path: ConnectionLabels["path"];
  readonly buckets: number[];
  sumSeconds: number;
}

/** Running totals of one label set, and how much of them was told already. */
class Series implements ConnectionCounters {
  sentBytes = 0;
  receivedBytes = 0;
  opened = 0;
  open = 0;
  closed = new Map<string, number>();
  changedMs: number;
  readonly #labels: ConnectionLabels;
  #toldSent = 0;
  #toldReceived = 0;
  #toldOpened = 0;
  #toldOpen = 0;

  constructor(labels: ConnectionLabels, nowMs: number) {
    this.#labels = labels;
    this.changedMs = nowMs;
  }

  takeDelta(): ConnectionDelta | undefined {
    const delta: ConnectionDelta = {
      labels: this.#labels,
      opened: this.opened - this.#toldOpened,
      openChange: this.open - this.#toldOpen,
      closed: Object.fromEntries(this.closed),
      sentBytes: this.sentBytes - this.#toldSent,
      receivedBytes: this.receivedBytes - this.#toldReceived,
    };
    const changed = delta.opened > 0 || this.closed.size > 0 || delta.sentBytes > 0 || delta.receivedBytes > 0;
    if (!changed) return undefined;
    this.#toldOpened = this.opened;
    this.#toldOpen = this.open;
    this.#toldSent = this.sentBytes;
    this.#toldReceived = this.receivedBytes;
    this.closed.clear();
    return delta;
  }
}

function emptyBuckets(): number[] {
  return Array.from({ length: CONNECT_SECONDS_BUCKETS.length + 1 }, () => 0);
}

function bucketOf(seconds: number): number {
  const index = CONNECT_SECONDS_BUCKETS.findIndex((upperBound) => seconds <= upperBound);
  return index === -1 ? CONNECT_SECONDS_BUCKETS.length : index;
}
