/**
 * Circuit breakers of all workers as one gauge each: the worst state of any worker. What no worker has any more is not shown,
 * and beyond a bound the rest is not either.
 */
import { MAX_CIRCUIT_SERIES } from "./limits.ts";
import type { AgentMetricSet } from "./metric-definitions.ts";
import type { CircuitReading } from "./metrics-batch.ts";

const VALUES: Readonly<Record<CircuitReading["state"], number>> = { closed: 0, "half-open": 1, open: 2 };

export class CircuitStates {
  readonly #metrics: AgentMetricSet;
  readonly #byWorker = new Map<number, readonly CircuitReading[]>();

  constructor(metrics: AgentMetricSet) {
    this.#metrics = metrics;
  }

  /** All that the worker has. */
  merge(worker: number, readings: readonly CircuitReading[]): void {
    const before = this.#byWorker.get(worker) ?? [];
    if (before.length === 0 && readings.length === 0) return;
    this.#byWorker.set(worker, readings);
    this.#show();
  }

  #show(): void {
    const gauge = this.#metrics.circuitState;
    gauge.reset();
    const worst = new Map<string, CircuitReading>();
    for (const reading of [...this.#byWorker.values()].flat()) {
      const known = worst.get(reading.scope);
      if (known === undefined && worst.size >= MAX_CIRCUIT_SERIES) {
        this.#metrics.limitHits.inc({ limit: "circuit-series" });
        return;
      }
      if (known !== undefined && VALUES[known.state] >= VALUES[reading.state]) continue;
      worst.set(reading.scope, reading);
      gauge.set({ policy: reading.policy, scope: reading.scope }, VALUES[reading.state]);
    }
  }
}
