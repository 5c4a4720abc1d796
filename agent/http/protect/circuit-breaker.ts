/**
 * Keeps requests from a thing that mostly fails, and finds out by a few whether it is back.
 *
 *   closed --errors' share of the window--> open --openMs, and somebody asks--> half-open --all probes good--> closed
 *                                            ^-----------------one probe bad--------/
 *
 * What was let through in an earlier state has no say in the present one. Probes that do not end do not keep it half open
 * for good: after another openMs, as many again are let through.
 */
import type { Clock } from "../../../core/clock.ts";
import type { LiveBreaker } from "../../../protocol/live-state.ts";
import { OutcomeWindow } from "./outcome-window.ts";

export interface BreakerSettings {
  readonly windowMs: number;
  readonly minRequests: number;
  readonly errorPercent: number;
  readonly openMs: number;
  readonly halfOpenRequests: number;
}

export type CircuitState = "closed" | "half-open" | "open";

export interface CircuitTransition {
  readonly state: CircuitState;
  /** Of the window that opened it; else 0. */
  readonly requests: number;
  readonly errors: number;
}

const PERCENT = 100;

/** Of one request that was let through: it says how that went. */
export class CircuitTicket {
  readonly #breaker: CircuitBreaker;
  /** The state that let it through, by number. */
  readonly #epoch: number;
  #said: "nothing" | "good" | "bad" | "over" = "nothing";

  constructor(breaker: CircuitBreaker, epoch: number) {
    this.#breaker = breaker;
    this.#epoch = epoch;
  }

  /** It is answered. That it broke off later can still be told. */
  good(): void {
    if (this.#said !== "nothing") return;
    this.#said = "good";
    this.#breaker.told(this.#epoch, 1, 0);
  }

  bad(): void {
    if (this.#said !== "nothing" && this.#said !== "good") return;
    // Counted once, also as an error after all.
    const requests = this.#said === "good" ? 0 : 1;
    this.#said = "bad";
    this.#breaker.told(this.#epoch, requests, 1);
  }

  /** At the end. Without an outcome (its client is gone, it was never sent) it counts for nothing. */
  over(): void {
    if (this.#said === "nothing") this.#breaker.gaveBack(this.#epoch);
    this.#said = "over";
  }
}

export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #onTransition: (transition: CircuitTransition) => void;
  #settings: BreakerSettings;
  #window: OutcomeWindow;
  #state: CircuitState = "closed";
  #epoch = 0;
  /** When it opened, or let the last round of probes go. */
  #sinceMs = 0;
  #probesLeft = 0;
  #probesGood = 0;
  /** What opened it, until it closes. */
  #opening: { readonly requests: number; readonly errors: number } | undefined;

  constructor(clock: Clock, settings: BreakerSettings, onTransition: (transition: CircuitTransition) => void) {
    this.#clock = clock;
    this.#settings = settings;
    this.#onTransition = onTransition;
    this.#window = new OutcomeWindow(settings.windowMs);
  }

  /** Open until the next one asks, even when it is time. */
  get state(): CircuitState {
    return this.#state;
  }

  /** For a person who asks. */
  read(): Omit<LiveBreaker, "worker" | "scope"> {
    this.#window.forgetOld(this.#clock.monotonicMs());
    const { requests, errors } = this.#opening ?? this.#window;
    const reading = { state: this.#state, requests, errors, closedForMs: Math.round(this.closedForMs) };
    if (this.#state !== "half-open") return reading;
    return { ...reading, probes: { good: this.#probesGood, wanted: this.#settings.halfOpenRequests } };
  }

  /** How long to stay away; 0: one more may go now. */
  get closedForMs(): number {
    if (this.#state === "closed" || (this.#state === "half-open" && this.#probesLeft > 0)) return 0;
    return Math.max(0, this.#sinceMs + this.#settings.openMs - this.#clock.monotonicMs());
  }

  /** Undefined: not now. */
  enter(): CircuitTicket | undefined {
    if (this.closedForMs > 0) return undefined;
    if (this.#state !== "closed") this.#takeProbe();
    return new CircuitTicket(this, this.#epoch);
  }

  /** Other numbers from now on; with another window, what was counted is forgotten. */
  adapt(settings: BreakerSettings): void {
    if (settings.windowMs !== this.#settings.windowMs) this.#window = new OutcomeWindow(settings.windowMs);
    this.#settings = settings;
    this.#probesLeft = Math.min(this.#probesLeft, settings.halfOpenRequests);
    if (this.#state === "half-open") this.#closeIfGood();
  }

  // From its tickets.

  told(epoch: number, requests: number, errors: number): void {
    if (epoch !== this.#epoch) return;
    if (this.#state === "half-open") {
      this.#probed(requests, errors);
      return;
    }
    this.#window.add(this.#clock.monotonicMs(), requests, errors);
    const { minRequests, errorPercent } = this.#settings;
    const { requests: total, errors: failed } = this.#window;
    if (total >= minRequests && failed > 0 && failed * PERCENT >= errorPercent * total) this.#become("open");
  }

  gaveBack(epoch: number): void {
    if (epoch !== this.#epoch || this.#state !== "half-open") return;
    this.#probesLeft = Math.min(this.#probesLeft + 1, this.#settings.halfOpenRequests);
  }

  #takeProbe(): void {
    if (this.#state === "open") this.#become("half-open");
    else if (this.#probesLeft === 0) this.#grantProbes();
    this.#probesLeft -= 1;
  }

  #grantProbes(): void {
    this.#sinceMs = this.#clock.monotonicMs();
    this.#probesLeft = this.#settings.halfOpenRequests;
  }

  #probed(requests: number, errors: number): void {
    if (errors > 0) {
      this.#become("open");
      return;
    }
    this.#probesGood += requests;
    this.#closeIfGood();
  }

  #closeIfGood(): void {
    if (this.#probesGood >= this.#settings.halfOpenRequests) this.#become("closed");
  }

  #become(state: CircuitState): void {
    const opened = this.#state === "closed" ? this.#window : { requests: 0, errors: 0 };
    const { requests, errors } = opened;
    if (state === "closed") this.#opening = undefined;
    else this.#opening ??= { requests, errors };
    this.#state = state;
    this.#epoch += 1;
    this.#sinceMs = this.#clock.monotonicMs();
    this.#probesGood = 0;
    if (state === "half-open") this.#grantProbes();
    else this.#window = new OutcomeWindow(this.#settings.windowMs);
    this.#onTransition({ state, requests, errors });
  }
}
