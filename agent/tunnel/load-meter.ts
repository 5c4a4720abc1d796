/**
 * How busy a tunnel is: bytes moved recently, in both directions, halving every `HALF_LIFE_MS`.
 *
 * A new stream takes the lane with the least load. Recent bytes rather than queued ones, because what a bulk
 * download would make a small call wait behind is queued at the far end, where we cannot see it.
 */
const HALF_LIFE_MS = 100;

export class LoadMeter {
  #bytes = 0;
  #updatedMs = 0;

  /** On the byte path: an addition, nothing else. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Bytes, decayed up to `nowMs` (monotonic). */
  read(nowMs: number): number {
    const elapsedMs = nowMs - this.#updatedMs;
    if (elapsedMs > 0) {
      this.#bytes *= 0.5 ** (elapsedMs / HALF_LIFE_MS);
      this.#updatedMs = nowMs;
    }
    return this.#bytes;
  }
}
