/**
 * Bytes without end that anyone who knows the seed can make again, for programs that send them and programs that check
 * them. One random block repeats, and every repetition begins with its number: a lost, doubled or swapped block shows.
 */
import { createHash } from "node:crypto";

/** Large enough that a write is worth its system call, small enough for thousands of connections in one process. */
const BLOCK_BYTES = 64 * 1024;
/** The block's number at its beginning: 4 bytes, least significant first. */
const NUMBER_BYTES = 4;

export class SeededBytes {
  readonly #block: Buffer;

  constructor(seed: string) {
    const parts: Buffer[] = [];
    for (let index = 0; index < BLOCK_BYTES / 64; index += 1) {
      parts.push(createHash("sha512").update(`${seed} ${index}`).digest());
    }
    this.#block = Buffer.concat(parts);
  }

  /** A fresh buffer with up to `length` bytes from `position` on; ends with the block it begins in. */
  slice(position: number, length: number): Buffer {
    const number = Math.floor(position / BLOCK_BYTES);
    const offset = position % BLOCK_BYTES;
    const bytes = Buffer.from(this.#block.subarray(offset, offset + length));
    for (let index = offset; index < Math.min(NUMBER_BYTES, offset + length); index += 1) {
      bytes[index - offset] = number >>> (8 * index);
    }
    return bytes;
  }

  /** Index of the first byte of `chunk` that is not what belongs at `position`, or -1. */
  firstDifference(chunk: Buffer, position: number): number {
    for (let done = 0; done < chunk.length; ) {
      const expected = this.slice(position + done, chunk.length - done);
      const found = chunk.subarray(done, done + expected.length);
      if (!expected.equals(found)) return done + found.findIndex((byte, index) => byte !== expected[index]);
      done += expected.length;
    }
    return -1;
  }
}
