/** First come, first served, and leaving from the middle costs no more than from the front: a doubly linked list. */

export class WaitingPlace {
  before: WaitingPlace | undefined;
  behind: WaitingPlace | undefined;
  readonly sinceMs: number;

  constructor(sinceMs: number) {
    this.sinceMs = sinceMs;
  }
}

export class WaitingLine<P extends WaitingPlace> {
  #first: P | undefined;
  #last: P | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Who has waited longest. */
  get first(): P | undefined {
    return this.#first;
  }

  join(place: P): void {
    place.before = this.#last;
    if (this.#last === undefined) this.#first = place;
    else this.#last.behind = place;
    this.#last = place;
    this.#size += 1;
  }

  /** `place` must be in this line. */
  leave(place: P): void {
    const { before, behind } = place as { before: P | undefined; behind: P | undefined };
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    place.before = undefined;
    place.behind = undefined;
    this.#size -= 1;
  }
}
