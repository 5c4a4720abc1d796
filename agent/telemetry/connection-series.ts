/**
 * Connection metrics of all workers added up in prom-client, with a bound on the number of label sets: beyond it they
 * are counted as "other", and label sets that went quiet make room again.
 */
import type { Clock } from "../../core/clock.ts";
import { MAX_CONNECTION_SERIES, SERIES_IDLE_MS } from "./limits.ts";
import type { AgentMetricSet, CONNECTION_LABEL_NAMES } from "./metric-definitions.ts";
import type { ConnectionDelta, ConnectionLabels } from "./metrics-batch.ts";
import { overflowOf, seriesKey } from "./series-key.ts";

type PrometheusLabels = Record<(typeof CONNECTION_LABEL_NAMES)[number], string>;

interface Series {
  readonly labels: PrometheusLabels;
  /** Open connections per worker: a worker that ends takes its share with it. */
  readonly open: Map<number, number>;
  readonly reasons: Set<string>;
  changedMs: number;
}

/** How often quiet label sets are looked for. */
const SWEEP_PERIOD_MS = 60_000;

export class ConnectionSeries {
  readonly #metrics: AgentMetricSet;
  readonly #clock: Clock;
  readonly #maxSeries: number;
  readonly #series = new Map<string, Series>();
  #nextSweepMs = 0;

  constructor(metrics: AgentMetricSet, clock: Clock, maxSeries = MAX_CONNECTION_SERIES) {
    this.#metrics = metrics;
    this.#clock = clock;
    this.#maxSeries = maxSeries;
  }

  get size(): number {
    return this.#series.size;
  }

  add(worker: number, delta: ConnectionDelta): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#nextSweepMs) this.#sweep(nowMs);
    const series = this.#seriesOf(delta.labels);
    series.changedMs = nowMs;
    const { labels } = series;
    this.#metrics.opened.inc(labels, delta.opened);
    this.#metrics.sentBytes.inc(labels, delta.sentBytes);
    this.#metrics.receivedBytes.inc(labels, delta.receivedBytes);
    this.#metrics.open.inc(labels, delta.openChange);
    series.open.set(worker, (series.open.get(worker) ?? 0) + delta.openChange);
    for (const [reason, count] of Object.entries(delta.closed)) {
      series.reasons.add(reason);
      this.#metrics.closed.inc({ ...labels, reason }, count);
    }
  }

  /** The worker ended: what it had open is open no more. */
  forgetWorker(worker: number): void {
    for (const series of this.#series.values()) {
      this.#metrics.open.dec(series.labels, series.open.get(worker) ?? 0);
      series.open.delete(worker);
    }
  }

  #seriesOf(labels: ConnectionLabels): Series {
    const key = seriesKey(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const overflow = overflowOf(labels);
    if (this.#series.size >= this.#maxSeries && key !== seriesKey(overflow)) {
      this.#metrics.limitHits.inc({ limit: "connection-series" });
      return this.#seriesOf(overflow);
    }
    const created: Series = {
      labels: toPrometheus(labels),
      open: new Map(),
      reasons: new Set(),
      changedMs: this.#clock.monotonicMs(),
    };
    this.#series.set(key, created);
    return created;
  }

  #sweep(nowMs: number): void {
    this.#nextSweepMs = nowMs + SWEEP_PERIOD_MS;
    for (const [key, series] of this.#series) {
      const isQuiet = nowMs - series.changedMs > SERIES_IDLE_MS;
      const isClosed = [...series.open.values()].every((count) => count === 0);
      if (isQuiet && isClosed) this.#drop(key, series);
    }
  }

  #drop(key: string, series: Series): void {
    this.#series.delete(key);
    const { opened, sentBytes, receivedBytes, open, closed } = this.#metrics;
    for (const metric of [opened, sentBytes, receivedBytes, open]) metric.remove(series.labels);
    for (const reason of series.reasons) closed.remove({ ...series.labels, reason });
  }
}

function toPrometheus(labels: ConnectionLabels): PrometheusLabels {
  return {
    direction: labels.direction,
    source_workload: labels.sourceWorkload,
    source_namespace: labels.sourceNamespace,
    destination_service: labels.destinationService,
    destination_workload: labels.destinationWorkload,
    destination_namespace: labels.destinationNamespace,
    path: labels.path,
  };
}
