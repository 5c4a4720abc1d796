/**
 * A clock that is read once in a turn of the event loop, for what asks several times for each of many requests: a reading
 * is as old as the turn at most. Everything that came in a turn came before its first reading, so what is measured from
 * there is how long others took, and not how long the turn was. Not for who measures within a turn.
 */
import type { Clock, Timer } from "./clock.ts";

export class TurnClock implements Clock {
  readonly #clock: Clock;
  #monotonicMs = 0;
  #isRead = false;
  readonly #turnEnded = (): void => {
    this.#isRead = false;
  };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  monotonicMs(): number {
    if (this.#isRead) return this.#monotonicMs;
    this.#isRead = true;
    this.#monotonicMs = this.#clock.monotonicMs();
    // The loop does not wait for anything before it has called this.
    setImmediate(this.#turnEnded);
    return this.#monotonicMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#clock.after(delayMs, callback);
  }

  every(periodMs: number, callback: () => void): Timer {
    return this.#clock.every(periodMs, callback);
  }
}
