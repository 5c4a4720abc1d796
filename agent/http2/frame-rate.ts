/** How often a peer may do what costs us more than it costs the peer: a token bucket, read only when it is used. */
export class FrameRate {
  readonly #burst: number;
  readonly #perSecond: number;
  #used = 0;
  #updatedMs = 0;

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
  }

  /** So many uses are forgotten: they had their reason. */
  forgive(count: number): void {
    this.#used = Math.max(0, this.#used - count);
  }

  /** False: too often. `nowMs` is monotonic. */
  admits(nowMs: number): boolean {
    const refill = ((nowMs - this.#updatedMs) * this.#perSecond) / 1_000;
    this.#used = Math.max(0, this.#used - refill) + 1;
    this.#updatedMs = nowMs;
    return this.#used <= this.#burst;
  }
}
