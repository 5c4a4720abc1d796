/**
 * How many requests of the last while have failed. A ring of slots: its size does not depend on the traffic, and what is
 * older than the window is forgotten a slot at a time.
 */
import { WINDOW_SLOTS } from "./limits.ts";

export class OutcomeWindow {
  readonly #slotMs: number;
  readonly #requests = new Uint32Array(WINDOW_SLOTS);
  readonly #errors = new Uint32Array(WINDOW_SLOTS);
  /** Number of the newest slot since the beginning of time. */
  #newest = 0;
  #requestSum = 0;
  #errorSum = 0;

  constructor(windowMs: number) {
    this.#slotMs = windowMs / WINDOW_SLOTS;
  }

  /** As of the last `add` or `forgetOld`. */
  get requests(): number {
    return this.#requestSum;
  }

  get errors(): number {
    return this.#errorSum;
  }

  add(nowMs: number, requests: number, errors: number): void {
    this.forgetOld(nowMs);
    const slot = this.#newest % WINDOW_SLOTS;
    this.#requests[slot] = (this.#requests[slot] as number) + requests;
    this.#errors[slot] = (this.#errors[slot] as number) + errors;
    this.#requestSum += requests;
    this.#errorSum += errors;
  }

  forgetOld(nowMs: number): void {
    const newest = Math.floor(nowMs / this.#slotMs);
    const from = Math.max(this.#newest + 1, newest - WINDOW_SLOTS + 1);
    for (let number = from; number <= newest; number += 1) {
      const slot = number % WINDOW_SLOTS;
      this.#requestSum -= this.#requests[slot] as number;
      this.#errorSum -= this.#errors[slot] as number;
      this.#requests[slot] = 0;
      this.#errors[slot] = 0;
    }
    this.#newest = newest;
  }
}
