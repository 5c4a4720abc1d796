/**
 * Peak EWMA of an endpoint's connect latency (the idea is Finagle's): a peak counts at once, better times come in
 * slowly, and what was not refreshed fades, so that an endpoint that was slow once is tried again.
 */

/** Time constant of the average: an observation weighs 1/e after ten seconds. */
const DECAY_MS = 10_000;

/**
 * Latency assumed of an endpoint that was never measured but has connections under way: it keeps a new endpoint from
 * drawing the whole traffic before its first answer.
 */
const UNKNOWN_LATENCY_MS = 1_000;

export class LatencyEstimate {
  #averageMs = 0;
  #updatedMs = 0;

  observe(latencyMs: number, nowMs: number): void {
    if (latencyMs >= this.#averageMs) {
      this.#averageMs = latencyMs;
    } else {
      const keep = this.#keep(nowMs);
      this.#averageMs = this.#averageMs * keep + latencyMs * (1 - keep);
    }
    this.#updatedMs = nowMs;
  }

  /** It would have been more: nothing is known that speaks for less than what is assumed. */
  observeAtLeast(latencyMs: number, nowMs: number): void {
    if (latencyMs <= this.#averageMs * this.#keep(nowMs)) return;
    this.#averageMs = latencyMs;
    this.#updatedMs = nowMs;
  }

  /** What one more connection would cost: latency times the queue it joins. 0 for one that is new and idle. */
  cost(inFlight: number, nowMs: number): number {
    if (this.#averageMs === 0) return inFlight === 0 ? 0 : UNKNOWN_LATENCY_MS * inFlight;
    return this.#averageMs * this.#keep(nowMs) * (inFlight + 1);
  }

  /** The share of the average that is left after the time since the last observation. */
  #keep(nowMs: number): number {
    return Math.exp((this.#updatedMs - nowMs) / DECAY_MS);
  }
}
