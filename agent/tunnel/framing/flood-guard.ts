/**
 * Frames that cost us more than their sender (CVE-2019-9512, -9514, -9515, -9518, CVE-2023-44487, CVE-2025-8671): each
 * kind may come in a burst and then at a rate. Beyond it the connection ends with ENHANCE_YOUR_CALM.
 */
import type { Clock } from "../../../core/clock.ts";
import { limits } from "../../limits.ts";
import { FrameRate } from "./frame-rate.ts";
import { FramingError } from "./framing-error.ts";
import { framingLimits } from "./limits.ts";

export class FloodGuard {
  readonly #clock: Clock;
  readonly #controlFrames = new FrameRate(framingLimits.controlFrameBurst, framingLimits.controlFramesPerSecond);
  readonly #emptyFrames = new FrameRate(framingLimits.emptyFrameBurst, framingLimits.emptyFramesPerSecond);
  readonly #resets = new FrameRate(limits.streamResetBurst, limits.streamResetsPerSecond);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** PING, SETTINGS, GOAWAY, PRIORITY, interim answers, and types that we do not know. */
  controlFrame(): void {
    this.#count(this.#controlFrames, "frames that carry nothing");
  }

  /** DATA without a byte that does not end its stream. */
  emptyFrame(): void {
    this.#count(this.#emptyFrames, "empty DATA frames");
  }

  /** A stream that the peer reset, or made us reset. */
  reset(): void {
    this.#count(this.#resets, "resets of streams");
  }

  #count(rate: FrameRate, what: string): void {
    if (rate.admits(this.#clock.monotonicMs())) return;
    throw new FramingError("enhance-your-calm", `Peer sends too many ${what}`);
  }
}
