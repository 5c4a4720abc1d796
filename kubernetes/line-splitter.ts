/**
 * Bytes as they arrive -> whole lines. A line may come in any number of pieces, cut anywhere, also inside a character:
 * the byte of a line break is part of no other character in UTF-8, so pieces are only put together.
 */
const LINE_BREAK = 0x0a;

export class LineSplitter {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #pendingBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of a line that has not ended yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Calls `onLine` for each line that ends in `chunk`. False: a line is longer than allowed, nothing more is read. */
  push(chunk: Buffer, onLine: (line: string) => void): boolean {
    let start = 0;
    for (let end = chunk.indexOf(LINE_BREAK); end !== -1; end = chunk.indexOf(LINE_BREAK, start)) {
      if (this.#pendingBytes + end - start > this.#maxBytes) return false;
      onLine(this.#take(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start === chunk.length) return true;
    // A copy: the piece must not hold the whole chunk for a few bytes.
    const rest = Buffer.from(chunk.subarray(start));
    this.#pieces.push(rest);
    this.#pendingBytes += rest.length;
    return this.#pendingBytes <= this.#maxBytes;
  }

  #take(last: Buffer): string {
    if (this.#pieces.length === 0) return last.toString("utf8");
    const line = Buffer.concat([...this.#pieces, last]).toString("utf8");
    this.#pieces = [];
    this.#pendingBytes = 0;
    return line;
  }
}
