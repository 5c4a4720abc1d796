/**
 * The body of a request as far as it has come, kept so that another try can send it again. Beyond its bound it is given
 * up: the request is then sent once.
 */
import { ByteQueue } from "../http2/byte-queue.ts";
import type { Fields } from "./fields.ts";
import { httpLimits } from "./limits.ts";

const NOTHING: readonly Buffer[] = [];

export class ReplayBuffer {
  isEnded = false;
  trailers: Fields | undefined;
  #kept: ByteQueue | undefined;
  #isGivenUp = false;

  /** In order; empty once it was given up. */
  get chunks(): readonly Buffer[] {
    return this.#kept?.chunks ?? NOTHING;
  }

  get bytes(): number {
    return this.#kept?.bytes ?? 0;
  }

  /** Everything that came is here. */
  get isComplete(): boolean {
    return !this.#isGivenUp;
  }

  /** No more should be read while there is nobody to send it to. */
  get isFull(): boolean {
    return this.bytes >= httpLimits.replayBytes;
  }

  keep(content: Buffer): void {
    if (this.#isGivenUp) return;
    this.#kept ??= new ByteQueue();
    this.#kept.pushSlice(content);
  }

  end(trailers: Fields | undefined): void {
    this.isEnded = true;
    this.trailers = trailers;
  }

  /** Nobody will ask for it any more. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#kept = undefined;
  }
}
