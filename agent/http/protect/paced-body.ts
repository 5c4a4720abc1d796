/**
 * Lets a body through no faster than so many bytes a second, a slice every 50 ms. What has come and may not leave yet is
 * held, and its sender is paused meanwhile: no more is held than what was on its way to us when it was paused.
 */
import type { Clock, Timer } from "../../../core/clock.ts";
import { PACE_MS } from "./limits.ts";

export interface PacedBodyOptions {
  readonly clock: Clock;
  readonly bytesPerSecond: number;
  /** From then on (of the wall clock) nothing is held back. */
  readonly untilMs: number;
  readonly pass: (content: Buffer) => void;
  /** Everything has passed that was there, and more would be taken. */
  readonly onEmpty: () => void;
}

const MS_PER_SECOND = 1_000;

export class PacedBody {
  readonly #options: PacedBodyOptions;
  readonly #sliceBytes: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** What has passed is paid for then. */
  #paidMs: number;
  #timer: Timer | undefined;
  #isPaused = false;

  constructor(options: PacedBodyOptions) {
    this.#options = options;
    this.#paidMs = options.clock.monotonicMs();
    this.#sliceBytes = Math.max(1, Math.floor((options.bytesPerSecond * PACE_MS) / MS_PER_SECOND));
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  write(content: Buffer): void {
    if (content.length === 0) return;
    this.#held.push(Buffer.from(content));
    this.#heldBytes += content.length;
    if (this.#timer === undefined && !this.#isPaused) this.#pass();
  }

  /** Whoever takes it has enough for now. */
  pause(): void {
    this.#isPaused = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#pass();
  }

  /** No callback follows. */
  drop(): void {
    this.pause();
    this.#held = [];
    this.#heldBytes = 0;
  }

  readonly #pass = (): void => {
    this.#timer = undefined;
    const { clock, bytesPerSecond, untilMs, pass, onEmpty } = this.#options;
    while (this.#heldBytes > 0 && !this.#isPaused) {
      const isFree = clock.nowMs() >= untilMs;
      const nowMs = clock.monotonicMs();
      if (!isFree && this.#paidMs > nowMs) {
        this.#timer = clock.after(Math.ceil(this.#paidMs - nowMs), this.#pass);
        return;
      }
      const slice = this.#take(isFree ? this.#heldBytes : this.#sliceBytes);
      // A timer that is late is made up for, a pause is not.
      this.#paidMs = Math.max(this.#paidMs, nowMs - PACE_MS) + (slice.length * MS_PER_SECOND) / bytesPerSecond;
      pass(slice);
    }
    if (this.#heldBytes === 0 && !this.#isPaused) onEmpty();
  };

  #take(bytes: number): Buffer {
    const first = this.#held[0] as Buffer;
    const slice = first.length <= bytes ? first : first.subarray(0, bytes);
    if (slice === first) this.#held.shift();
    else this.#held[0] = first.subarray(bytes);
    this.#heldBytes -= slice.length;
    return slice;
  }
}
