/**
 * Bytes of which every four say where they are and whose they are: what is lost, doubled, swapped, or another connection's
 * shows at its first word. Anyone who knows the number can make them again.
 */

/** Odd: no two positions of one stream have the same word. */
const STEP = 0x9e3779b1;
const WORD_BYTES = 4;

export class PlacedBytes {
  readonly #key: number;

  /** `number`: of the stream. */
  constructor(number: number) {
    this.#key = Math.imul(number + 1, 0x85ebca6b) ^ 0x5bd1e995;
  }

  /** A fresh buffer. */
  slice(position: number, length: number): Buffer {
    const offset = position % WORD_BYTES;
    const first = (position - offset) / WORD_BYTES;
    const words = new Uint32Array(Math.ceil((offset + length) / WORD_BYTES));
    for (let index = 0; index < words.length; index += 1) words[index] = Math.imul(first + index, STEP) ^ this.#key;
    return Buffer.from(words.buffer, offset, length);
  }

  /** Position of the first byte of `chunk` that does not belong there; undefined when there is none. */
  firstWrong(chunk: Buffer, position: number): number | undefined {
    const expected = this.slice(position, chunk.length);
    if (expected.equals(chunk)) return undefined;
    return position + chunk.findIndex((byte, index) => byte !== expected[index]);
  }
}
