/**
 * The first bytes of a connection, kept until the far end has accepted it, so that they can be sent again to another
 * endpoint when nothing was delivered.
 */
import { limits } from "../limits.ts";

export class EarlyData {
  #chunks: Buffer[] = [];
  #bytes = 0;

  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** True: full, stop reading until `release`. */
  keep(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    return this.#bytes >= limits.earlyDataBytes;
  }

  release(): void {
    this.#chunks = [];
    this.#bytes = 0;
  }
}
