/**
 * Frames that cost us more than their sender (CVE-2019-9512, -9514, -9515, -9518, CVE-2023-44487, CVE-2025-8671): each
 * kind may come in a burst and then at a rate. Beyond it the connection ends with ENHANCE_YOUR_CALM.
 */
import type { Clock } from "../../core/clock.ts";
import { FrameRate } from "./frame-rate.ts";
import type { Http2Bounds } from "./http2-bounds.ts";
import { Http2Error } from "./http2-error.ts";

/** Peers give it in small steps, for the stream and for the connection; Envoy allows as many. */
const CREDITS_PER_DATA_FRAME = 10;

export class FloodGuard {
  readonly #clock: Clock;
  readonly #controlFrames: FrameRate;
  readonly #emptyFrames: FrameRate;
  readonly #resets: FrameRate;
  readonly #credits: FrameRate;

  constructor(clock: Clock, bounds: Http2Bounds) {
    this.#clock = clock;
    this.#controlFrames = new FrameRate(bounds.controlFrameBurst, bounds.controlFramesPerSecond);
    this.#emptyFrames = new FrameRate(bounds.emptyFrameBurst, bounds.emptyFramesPerSecond);
    this.#resets = new FrameRate(bounds.resetBurst, bounds.resetsPerSecond);
    this.#credits = new FrameRate(bounds.creditFrameBurst, bounds.creditFramesPerSecond);
  }

  /** PING, SETTINGS, GOAWAY, PRIORITY, interim answers, and types that we do not know. */
  controlFrame(): void {
    this.#count(this.#controlFrames, "frames that carry nothing", "controlFrameBurst");
  }

  /** DATA without a byte that does not end its stream. */
  emptyFrame(): void {
    this.#count(this.#emptyFrames, "empty DATA frames", "emptyFrameBurst");
  }

  /** A stream that the peer reset, or made us reset. */
  reset(): void {
    this.#count(this.#resets, "resets of streams", "resetBurst");
  }

  /** So many DATA frames were sent, for which credit may come. */
  dataSent(frames: number): void {
    this.#credits.forgive(frames * CREDITS_PER_DATA_FRAME);
  }

  /** A request was answered: as many resets as there are answers are what deadlines and hedging make. */
  streamCompleted(): void {
    this.#resets.forgive(1);
  }

  /** WINDOW_UPDATE. */
  credit(): void {
    this.#count(this.#credits, "WINDOW_UPDATE frames", "creditFrameBurst");
  }

  #count(rate: FrameRate, what: string, limit: keyof Http2Bounds): void {
    if (rate.admits(this.#clock.monotonicMs())) return;
    throw new Http2Error("enhance-your-calm", `Peer sends too many ${what}`, limit);
  }
}
