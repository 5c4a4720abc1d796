/** A clock that a test moves by hand; timers fire in order of their due time. */
import type { Clock, Timer } from "../../core/clock.ts";

interface Pending {
  dueMs: number;
  readonly periodMs: number | undefined;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  /** What somebody has set the wall clock forward by. */
  #setMs = 0;
  readonly #pending = new Set<Pending>();

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs + this.#setMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#add({ dueMs: this.#nowMs + delayMs, periodMs: undefined, callback });
  }

  every(periodMs: number, callback: () => void): Timer {
    return this.#add({ dueMs: this.#nowMs + periodMs, periodMs, callback });
  }

  /** Sets the wall clock, as a time service does; negative: back. No timer minds. */
  setWallClock(byMs: number): void {
    this.#setMs += byMs;
  }

  get pendingTimers(): number {
    return this.#pending.size;
  }

  /** Moves time on, firing every timer that falls due on the way. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    for (let next = this.#nextDue(endMs); next !== undefined; next = this.#nextDue(endMs)) {
      this.#nowMs = next.dueMs;
      if (next.periodMs === undefined) this.#pending.delete(next);
      else next.dueMs += next.periodMs;
      next.callback();
    }
    this.#nowMs = endMs;
  }

  #add(pending: Pending): Timer {
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  #nextDue(endMs: number): Pending | undefined {
    let earliest: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.dueMs <= endMs && (earliest === undefined || pending.dueMs < earliest.dueMs)) earliest = pending;
    }
    return earliest;
  }
}
