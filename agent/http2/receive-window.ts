/**
 * What a peer may still send, on a stream or on the whole connection (RFC 9113 section 5.2). Credit goes back in halves
 * of the window: few WINDOW_UPDATE frames, and the peer never has to stop for a reader that keeps up.
 */
export class ReceiveWindow {
  readonly #sizeBytes: number;
  #availableBytes: number;
  #consumedBytes = 0;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
    this.#availableBytes = sizeBytes;
  }

  /** False: the peer has sent more than it may. */
  receive(bytes: number): boolean {
    this.#availableBytes -= bytes;
    return this.#availableBytes >= 0;
  }

  /** What to tell the peer now that so many bytes were consumed; 0: nothing yet. */
  consume(bytes: number): number {
    this.#consumedBytes += bytes;
    if (this.#consumedBytes * 2 < this.#sizeBytes) return 0;
    const credit = this.#consumedBytes;
    this.#availableBytes += credit;
    this.#consumedBytes = 0;
    return credit;
  }
}
