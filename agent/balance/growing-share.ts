/**
 * The part of its weight that an endpoint has: the whole as a rule, and for a while less when it is new or was away. It
 * grows evenly, from the first moment's part to the whole.
 */
export class GrowingShare {
  #startMs = Number.NEGATIVE_INFINITY;
  #windowMs = 0;
  #first = 1;

  /** `first` in (0, 1]. `startMs` may be still to come: until then it is the first part. */
  begin(startMs: number, windowMs: number, first: number): void {
    this.#startMs = startMs;
    this.#windowMs = windowMs;
    this.#first = first;
  }

  /** In (0, 1]. */
  at(nowMs: number): number {
    if (nowMs >= this.#startMs + this.#windowMs) return 1;
    if (nowMs <= this.#startMs) return this.#first;
    return this.#first + ((1 - this.#first) * (nowMs - this.#startMs)) / this.#windowMs;
  }
}
