/**
 * The agent's metrics in the main thread: adds up the batches of the data workers, takes what the control work counts,
 * and gives the Prometheus text for the admin port.
 */
import { collectDefaultMetrics } from "prom-client";
import type { Clock } from "../../core/clock.ts";
import { CircuitStates } from "./circuit-states.ts";
import type { QuotaState } from "../quota/agent-quotas.ts";
import { ConnectionSeries } from "./connection-series.ts";
import { MAX_COUNTER_SERIES, MAX_QUOTA_SERIES, OVERFLOW_LABEL } from "./limits.ts";
import { createMetricSet } from "./metric-definitions.ts";
import type { AgentMetricSet } from "./metric-definitions.ts";
import { COUNTER_LABELS } from "./metrics-batch.ts";
import type { CounterDelta, MetricsBatch, WorkerGauges } from "./metrics-batch.ts";
import { RequestTotals } from "./request-totals.ts";

/** Whose event it is; the events are each component's own literal union. */
export type ControlComponent = "channel" | "certificates" | "table-store" | "netfilter" | "workers" | "admin";

export interface AgentMetricsOptions {
  readonly clock: Clock;
  readonly version: string;
  /** CPU, memory, event loop and garbage collection of the whole process. Off in tests: it starts observers. */
  readonly processMetrics: boolean;
  /** For tests; the default is `MAX_CONNECTION_SERIES`. */
  readonly maxConnectionSeries?: number;
}

/** What a report to the controller carries. */
export interface MetricTotals {
  readonly connectionsOpened: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly refused: number;
  readonly tunnelsOpen: number;
}

/** Shown as the sum over the workers, under the same names. */
const GAUGES = [
  "tunnelsOpen",
  "streamsOpen",
  "bufferedBytes",
  "upstreamsOpen",
  "idleUpstreams",
  "waitingRequests",
  "requestsOpen",
  "timersOpen",
  "heapBytes",
  "externalBytes",
] as const satisfies readonly (keyof WorkerGauges)[];

export class AgentMetrics {
  readonly #set: AgentMetricSet = createMetricSet();
  readonly #connections: ConnectionSeries;
  readonly #requests: RequestTotals;
  readonly #circuits: CircuitStates;
  readonly #gauges = new Map<number, Readonly<WorkerGauges>>();
  readonly #resources = new Map<number, Readonly<Record<string, number>>>();
  readonly #counterSeries = new Set<string>();
  readonly #quotas = new Set<string>();
  #totals = { connectionsOpened: 0, sentBytes: 0, receivedBytes: 0, refused: 0 };

  constructor(options: AgentMetricsOptions) {
    this.#connections = new ConnectionSeries(this.#set, options.clock, options.maxConnectionSeries);
    this.#requests = new RequestTotals(this.#set);
    this.#circuits = new CircuitStates(this.#set);
    this.#set.buildInfo.set({ version: options.version }, 1);
    this.#set.channelConnected.set(0);
    if (options.processMetrics) collectDefaultMetrics({ register: this.#set.registry });
  }

  get contentType(): string {
    return this.#set.registry.contentType;
  }

  /** Everything, in the Prometheus text format. */
  text(): Promise<string> {
    return this.#set.registry.metrics();
  }

  totals(): MetricTotals {
    return { ...this.#totals, tunnelsOpen: this.#sumGauge("tunnelsOpen") };
  }

  /** A worker's batch, once a second. */
  merge(worker: number, batch: MetricsBatch): void {
    for (const delta of batch.connections) {
      this.#connections.add(worker, delta);
      this.#totals.connectionsOpened += delta.opened;
      this.#totals.sentBytes += delta.sentBytes;
      this.#totals.receivedBytes += delta.receivedBytes;
    }
    for (const delta of batch.counters) this.#addCounter(delta);
    for (const { direction, path, buckets, sumSeconds } of batch.connectDurations) {
      this.#set.connectSeconds.add({ direction, path }, buckets, sumSeconds);
    }
    for (const delta of batch.requests) this.#requests.add(delta);
    this.#circuits.merge(worker, batch.circuits);
    this.#gauges.set(worker, batch.gauges);
    this.#resources.set(worker, batch.resources);
    this.#showGauges();
  }

  /** The worker ended, in order or not: its gauges are void. Its counters stay. */
  forgetWorker(worker: number): void {
    this.#connections.forgetWorker(worker);
    this.#circuits.merge(worker, []);
    this.#gauges.delete(worker);
    this.#resources.delete(worker);
    this.#showGauges();
  }

  tableApplied(sequence: number): void {
    this.#set.tableSequence.set(sequence);
  }

  quotaUsage(quota: string, admitted: number, refused: number): void {
    const name = this.#boundedQuota(quota);
    if (admitted > 0) this.#set.quotaRequests.inc({ quota: name, outcome: "admitted" }, admitted);
    if (refused > 0) this.#set.quotaRequests.inc({ quota: name, outcome: "refused" }, refused);
  }

  /** Replaces what is shown: a quota that nobody asks for any more disappears. */
  quotaStates(states: readonly QuotaState[]): void {
    this.#set.quotaShare.reset();
    for (const { name, standing, share } of states) {
      this.#set.quotaShare.set({ quota: this.#boundedQuota(name), standing }, share);
    }
  }

  /** A bound of the main thread did its work. */
  limitHit(limit: string): void {
    this.#set.limitHits.inc({ limit });
  }

  ruleRepair(): void {
    this.#set.ruleRepairs.inc();
  }

  channelConnected(connected: boolean): void {
    this.#set.channelConnected.set(connected ? 1 : 0);
  }

  /** Replaces what is shown: an identity that is no longer here disappears. */
  certificates(certificates: Iterable<{ readonly identity: string; readonly notAfterMs: number }>): void {
    this.#set.certificateExpiry.reset();
    for (const { identity, notAfterMs } of certificates) {
      this.#set.certificateExpiry.set({ identity }, notAfterMs / 1000);
    }
  }

  /** `event` must come from a fixed set in the code. */
  controlEvent(component: ControlComponent, event: string): void {
    this.#set.controlEvents.inc({ component, event });
  }

  #boundedQuota(quota: string): string {
    if (this.#quotas.has(quota)) return quota;
    if (this.#quotas.size >= MAX_QUOTA_SERIES) return OVERFLOW_LABEL;
    this.#quotas.add(quota);
    return quota;
  }

  #addCounter(delta: CounterDelta): void {
    if (delta.name === "refused") this.#totals.refused += delta.value;
    const names: readonly string[] = COUNTER_LABELS[delta.name];
    const values = this.#boundedValues(delta);
    const labels = Object.fromEntries(names.map((name, index) => [name, values[index] ?? OVERFLOW_LABEL]));
    this.#set[delta.name].inc(labels, delta.value);
  }

  #boundedValues(delta: CounterDelta): readonly string[] {
    const key = `${delta.name}|${delta.labelValues.join("|")}`;
    if (this.#counterSeries.has(key)) return delta.labelValues;
    if (this.#counterSeries.size >= MAX_COUNTER_SERIES) return delta.labelValues.map(() => OVERFLOW_LABEL);
    this.#counterSeries.add(key);
    return delta.labelValues;
  }

  #showGauges(): void {
    for (const name of GAUGES) this.#set[name].set(this.#sumGauge(name));
    this.#set.resources.reset();
    for (const [kind, count] of this.#sumResources()) this.#set.resources.set({ kind }, count);
  }

  #sumResources(): ReadonlyMap<string, number> {
    const sums = new Map<string, number>();
    for (const resources of this.#resources.values()) {
      for (const [kind, count] of Object.entries(resources)) sums.set(kind, (sums.get(kind) ?? 0) + count);
    }
    return sums;
  }

  #sumGauge(name: keyof WorkerGauges): number {
    let sum = 0;
    for (const gauges of this.#gauges.values()) sum += gauges[name];
    return sum;
  }
}
