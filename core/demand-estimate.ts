/**
 * How much somebody wants of something per time, told in counts: more is believed at once, less only by and by, because
 * a moment without requests says little.
 */
export class DemandEstimate {
  readonly #settleMs: number;
  #rate = 0;

  /** After `settleMs` of less, two thirds of the difference are believed. */
  constructor(settleMs: number) {
    this.#settleMs = settleMs;
  }

  /** Per millisecond. */
  get rate(): number {
    return this.#rate;
  }

  /** `count` in the last `overMs`, which is more than 0. */
  observe(count: number, overMs: number): void {
    const seen = count / overMs;
    if (seen >= this.#rate) this.#rate = seen;
    else this.#rate += (seen - this.#rate) * (1 - Math.exp(-overMs / this.#settleMs));
  }
}
