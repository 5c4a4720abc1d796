/**
 * Latencies of one interval, for their median: counts in buckets that are 9 % wide, from 1/16 ms to two minutes, so that a
 * thousand observations cost as much memory as one.
 */

/** Eight buckets for each doubling. */
const PER_DOUBLING = 8;
/** Nothing answers faster over a network. */
const LOWEST_MS = 1 / 16;
/** 2^21 times the lowest are 131 s, longer than anybody waits. */
const DOUBLINGS = 21;
const BUCKETS = PER_DOUBLING * DOUBLINGS;

export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(latencyMs: number): void {
    const index = Math.floor(Math.log2(Math.max(latencyMs, LOWEST_MS) / LOWEST_MS) * PER_DOUBLING);
    const bucket = Math.min(index, BUCKETS - 1);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
  }

  /** In milliseconds; 0 when nothing was observed. */
  median(): number {
    let left = this.#total / 2;
    for (const [bucket, count] of this.#counts.entries()) {
      if (count === 0) continue;
      left -= count;
      if (left <= 0) return LOWEST_MS * 2 ** ((bucket + 0.5) / PER_DOUBLING);
    }
    return 0;
  }

  clear(): void {
    if (this.#total === 0) return;
    this.#counts.fill(0);
    this.#total = 0;
  }
}
