/** A clock that knows how many of its timers are still to fire: one that nobody cancels shows as a count that grows. */
import type { Clock, Timer } from "./clock.ts";

export class CountedClock implements Clock {
  readonly #clock: Clock;
  #timers = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Timers that will fire. */
  get timers(): number {
    return this.#timers;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(delayMs: number, callback: () => void): Timer {
    const counted = this.#count();
    const timer = this.#clock.after(delayMs, () => {
      counted.over();
      callback();
    });
    return { cancel: () => (counted.over(), timer.cancel()) };
  }

  every(periodMs: number, callback: () => void): Timer {
    const counted = this.#count();
    const timer = this.#clock.every(periodMs, callback);
    return { cancel: () => (counted.over(), timer.cancel()) };
  }

  #count(): { over(): void } {
    let isLive = true;
    this.#timers += 1;
    return {
      over: () => {
        if (isLive) this.#timers -= 1;
        isLive = false;
      },
    };
  }
}
