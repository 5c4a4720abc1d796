/** PINGs of one connection: finds out that the peer is gone when the network does not say so. */
import type { Clock, Timer } from "../../core/clock.ts";
import { timers } from "../limits.ts";

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly ping: () => void;
  /** No answer for `timers.pingTimeoutMs`. */
  readonly onDead: () => void;
  /** Before each PING; false: not now. */
  readonly onBeat: (nowMs: number) => boolean;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  #pongDueMs = Number.POSITIVE_INFINITY;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.every(timers.pingMs, () => this.#beat());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  pong(): void {
    this.#pongDueMs = Number.POSITIVE_INFINITY;
  }

  #beat(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs >= this.#pongDueMs) {
      this.#options.onDead();
      return;
    }
    if (!this.#options.onBeat(nowMs) || this.#pongDueMs !== Number.POSITIVE_INFINITY) return;
    this.#pongDueMs = nowMs + timers.pingTimeoutMs;
    this.#options.ping();
  }
}
