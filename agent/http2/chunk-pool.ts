/**
 * Memory for bulk that has to wait on a connection's streams: copies of what was read into a shared buffer. It is used again
 * as soon as the bytes are in a frame, so that bulk leaves nothing to collect.
 */

/** A read of a pod's socket at most. */
const CHUNK_BYTES = 64 * 1024;
/** Less is copied into a buffer of its size, so that little data does not hold much memory. */
const LEAST_BYTES = 16 * 1024;
/** What is kept for the next ones, 1 MiB: what 16 streams have waiting. */
const KEPT_CHUNKS = 16;

export class ChunkPool {
  #free: ArrayBufferLike[] = [];
  readonly #own = new WeakSet<ArrayBufferLike>();

  copy(chunk: Buffer): Buffer {
    const { length } = chunk;
    if (length < LEAST_BYTES || length > CHUNK_BYTES) return Buffer.from(chunk);
    const memory = this.#free.pop() ?? this.#allocate();
    const copy = Buffer.from(memory, 0, length);
    copy.set(chunk);
    return copy;
  }

  /** Nobody has the chunk any more. It may be any. */
  giveBack({ length, buffer }: Buffer): void {
    if (length < LEAST_BYTES || this.#free.length >= KEPT_CHUNKS || !this.#own.has(buffer)) return;
    this.#free.push(buffer);
  }

  /** Gives up what is not in use. */
  trim(): void {
    if (this.#free.length > 0) this.#free = [];
  }

  #allocate(): ArrayBufferLike {
    const { buffer } = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#own.add(buffer);
    return buffer;
  }
}
