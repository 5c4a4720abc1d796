/**
 * How long answers took of late, to know when one is late: counts in buckets that grow by a tenth each, so a quantile is
 * right within a tenth. When enough has been counted all counts are halved: what is older weighs less and less.
 */

const FIRST_BOUND_MS = 0.25;
const GROWTH = 1.1;
/** The last bound is above a minute. */
const BUCKETS = 132;
/** Counts are halved here: the last thousand or so answers are what matters. */
const REMEMBERED = 1_000;
/** Fewer say nothing about a share of a twentieth. */
const ENOUGH = 40;
/** A quantile is looked up again after so many more: it cannot have moved far. */
const LOOKED_UP_EVERY = 20;

export class AnswerTimes {
  readonly #counts = new Uint32Array(BUCKETS);
  readonly #quantile: number;
  #total = 0;
  #sinceLookedUp = 0;
  #foundMs: number | undefined;

  /** `quantile` in (0, 1). */
  constructor(quantile: number) {
    this.#quantile = quantile;
  }

  /** Upper bound of the bucket that the quantile is in; undefined until enough was observed. */
  get quantileMs(): number | undefined {
    return this.#foundMs;
  }

  /** An answer that was not awaited to its end counts with the time that it was awaited. */
  observe(ms: number): void {
    const bucket = bucketOf(ms);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#total += 1;
    this.#sinceLookedUp += 1;
    if (this.#total >= REMEMBERED) this.#halve();
    if (this.#total >= ENOUGH && (this.#foundMs === undefined || this.#sinceLookedUp >= LOOKED_UP_EVERY))
      this.#lookUp();
  }

  #halve(): void {
    this.#total = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      const half = (this.#counts[bucket] as number) >>> 1;
      this.#counts[bucket] = half;
      this.#total += half;
    }
  }

  #lookUp(): void {
    this.#sinceLookedUp = 0;
    let left = this.#total * this.#quantile;
    let bucket = 0;
    for (; bucket < BUCKETS - 1; bucket += 1) {
      left -= this.#counts[bucket] as number;
      if (left <= 0) break;
    }
    this.#foundMs = FIRST_BOUND_MS * GROWTH ** bucket;
  }
}

function bucketOf(ms: number): number {
  if (ms <= FIRST_BOUND_MS) return 0;
  const bucket = Math.ceil(Math.log(ms / FIRST_BOUND_MS) / Math.log(GROWTH));
  return Math.min(BUCKETS - 1, bucket);
}
