/**
 * The body of a request as far as it has come, kept so that another try can send it again. Beyond its bound it is given
 * up: the request is then sent once.
 */
import type { Fields } from "./fields.ts";
import { httpLimits } from "./limits.ts";

export class ReplayBuffer {
  /** In order; empty once it was given up. */
  chunks: Buffer[] = [];
  bytes = 0;
  isEnded = false;
  trailers: Fields | undefined;
  #isGivenUp = false;

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
    this.chunks.push(content);
    this.bytes += content.length;
  }

  end(trailers: Fields | undefined): void {
    this.isEnded = true;
    this.trailers = trailers;
  }

  /** Nobody will ask for it any more. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.chunks = [];
    this.bytes = 0;
  }
}
