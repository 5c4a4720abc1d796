/**
 * Bytes that wait, in the buffers they came in. Many small buffers are joined as they pile up, so that a queue of single
 * bytes costs a few times its bytes and not thousands of times.
 */
import type { ChunkPool } from "./chunk-pool.ts";

const MERGE_COUNT = 64;
/** Fewer bytes than this in that many buffers are worth a copy. */
const MERGE_BYTES = 32 * 1024;
/** A slice that keeps a buffer of more than so many times its size alive is copied. */
const KEPT_ALIVE_FACTOR = 4;
/** In the place of a chunk that is gone, until its place goes too: it must not stay alive unseen. */
const GONE = Buffer.alloc(0);

export class ByteQueue {
  bytes = 0;
  #chunks: Buffer[] = [];
  /** First chunk that is still there, and how much of it is gone. */
  #head = 0;
  #offset = 0;
  /** Chunks before this index stay as they are. */
  #merged = 0;
  #unmergedBytes = 0;

  readonly #pool: ChunkPool | undefined;

  /** `pool`: gets back what was moved. */
  constructor(pool?: ChunkPool) {
    this.#pool = pool;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.bytes += chunk.length;
    this.#unmergedBytes += chunk.length;
    if (this.#chunks.length - this.#merged >= MERGE_COUNT) this.#merge();
  }

  /** For a part of a larger buffer: takes care that little data does not keep much memory alive. */
  pushSlice(slice: Buffer): void {
    const isSmall = slice.length * KEPT_ALIVE_FACTOR < slice.buffer.byteLength;
    this.push(isSmall ? Buffer.from(slice) : slice);
  }

  /** All buffers in order, of a queue from which nothing was taken. */
  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  /** Bytes of the next buffer; 0 when the queue is empty. */
  get headBytes(): number {
    return (this.#chunks[this.#head]?.length ?? 0) - this.#offset;
  }

  /** `count` bytes of the next buffer, at most all of them, as they are. */
  shift(count: number): Buffer {
    const chunk = this.#chunks[this.#head] as Buffer;
    const from = this.#offset;
    const to = from + count;
    this.bytes -= count;
    if (to === chunk.length) this.#dropHead();
    else this.#offset = to;
    return count === chunk.length ? chunk : chunk.subarray(from, to);
  }

  /** Moves `count` bytes, of which there must be as many, to `target` at `at`. */
  moveTo(target: Buffer, at: number, count: number): void {
    let left = count;
    let position = at;
    while (left > 0) {
      const chunk = this.#chunks[this.#head] as Buffer;
      const end = Math.min(chunk.length, this.#offset + left);
      const length = end - this.#offset;
      if (length === chunk.length) target.set(chunk, position);
      else chunk.copy(target, position, this.#offset, end);
      position += length;
      left -= length;
      if (end === chunk.length) {
        this.#pool?.giveBack(chunk);
        this.#dropHead();
      } else this.#offset = end;
    }
    this.bytes -= count;
  }

  clear(): void {
    this.#chunks = [];
    this.bytes = 0;
    this.#head = 0;
    this.#offset = 0;
    this.#merged = 0;
    this.#unmergedBytes = 0;
  }

  #dropHead(): void {
    this.#chunks[this.#head] = GONE;
    this.#head += 1;
    this.#offset = 0;
    if (this.#head === this.#chunks.length) this.#restart();
    else if (this.#head >= MERGE_COUNT) this.#compact();
  }

  #restart(): void {
    this.#chunks.length = 0;
    this.#head = 0;
    this.#merged = 0;
    this.#unmergedBytes = 0;
  }

  /** Forgets the chunks that are gone: each is moved at most once per MERGE_COUNT. */
  #compact(): void {
    if (this.#head * 2 < this.#chunks.length) return;
    this.#chunks.splice(0, this.#head);
    this.#merged = Math.max(0, this.#merged - this.#head);
    this.#head = 0;
  }

  #merge(): void {
    const from = Math.max(this.#merged, this.#head + 1);
    if (this.#unmergedBytes < MERGE_BYTES && from < this.#chunks.length) {
      const joined = Buffer.concat(this.#chunks.slice(from));
      this.#chunks.length = from;
      this.#chunks.push(joined);
    }
    this.#merged = this.#chunks.length;
    this.#unmergedBytes = 0;
  }
}
