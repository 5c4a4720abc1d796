/** For how long something has waited for the same thing without anything coming, as far as a sweep now and then can tell. */
export class Stillness<Waiting> {
  #waiting: Waiting | undefined;
  /** What had come when the wait began. */
  #mark = 0;
  #sinceMs = 0;

  /** `mark`: changes with whatever counts as progress. */
  lastedMs(waiting: Waiting, mark: number, nowMs: number): number {
    if (waiting !== this.#waiting || mark !== this.#mark) {
      this.#waiting = waiting;
      this.#mark = mark;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs;
  }
}
