/**
 * Decoder of header blocks (RFC 7541), for one direction of one connection: whole, strict, bounded.
 *
 * Blocks must be decoded in the order in which they came and every one of them, also those of messages that nobody wants.
 */
import type { Http2Bounds } from "./http2-bounds.ts";
import { Http2Error } from "./http2-error.ts";
import { HpackTable } from "./hpack-table.ts";
import type { HeaderField } from "./hpack-static-table.ts";
import { huffmanDecode } from "./huffman-decode.ts";

/** More bytes than any length or index of ours can need: 7 bits each. */
const MAX_INTEGER_BYTES = 4;
/** Of a literal without indexing: nobody behind may index it either (section 6.2.3). */
const NEVER_INDEXED = 0x10;
/** A block may begin with so many changes of the table's size: the least since the last block, and the present one. */
const MAX_SIZE_UPDATES = 2;

type HpackBounds = Pick<Http2Bounds, "headerTableBytes" | "headerListBytes">;

export class HpackDecoder {
  readonly #bounds: HpackBounds;
  readonly #table: HpackTable;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(bounds: HpackBounds) {
    this.#bounds = bounds;
    this.#table = new HpackTable(bounds.headerTableBytes);
  }

  /**
   * The fields of a block, in order; undefined when they are more than `headerListBytes`. Throws
   * Http2Error `compression-error`, after which the connection cannot go on.
   */
  decode(block: Buffer): HeaderField[] | undefined {
    this.#block = block;
    this.#at = 0;
    this.#sizeUpdates();
    const fields: HeaderField[] = [];
    let listBytes = 0;
    while (this.#at < block.length) {
      const field = this.#field();
      listBytes += HpackTable.bytesOf(field);
      if (listBytes <= this.#bounds.headerListBytes) fields.push(field);
    }
    return listBytes <= this.#bounds.headerListBytes ? fields : undefined;
  }

  /** `001xxxxx`: only at the beginning of a block (section 4.2). */
  #sizeUpdates(): void {
    for (let count = 0; ((this.#block[this.#at] ?? 0) & 0xe0) === 0x20; count += 1) {
      if (count === MAX_SIZE_UPDATES) throw invalid("table size changes too often");
      const sizeBytes = this.#integer(0x1f);
      if (sizeBytes > this.#bounds.headerTableBytes) throw invalid("table larger than agreed");
      this.#table.resize(sizeBytes);
    }
  }

  #field(): HeaderField {
    const first = this.#block[this.#at] as number;
    if ((first & 0x80) !== 0) return this.#indexed(this.#integer(0x7f));
    if ((first & 0xc0) === 0x40) {
      const field = this.#literal(0x3f);
      this.#table.add(field);
      return field;
    }
    if ((first & 0xe0) === 0x20) throw invalid("table size changes within a block");
    const field = this.#literal(0x0f);
    return (first & NEVER_INDEXED) === 0 ? field : [field[0], field[1], true];
  }

  #literal(prefixMask: number): HeaderField {
    const index = this.#integer(prefixMask);
    const name = index === 0 ? this.#string() : this.#indexed(index)[0];
    return [name, this.#string()];
  }

  #indexed(index: number): HeaderField {
    const field = this.#table.get(index);
    if (field === undefined) throw invalid(`no entry ${index} in the table`);
    return field;
  }

  /** Section 5.1: the prefix, and when it is all ones groups of 7 bits, the least significant first. */
  #integer(prefixMask: number): number {
    let value = this.#byte() & prefixMask;
    if (value < prefixMask) return value;
    for (let count = 0; count < MAX_INTEGER_BYTES; count += 1) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** (7 * count);
      if ((byte & 0x80) === 0) return value;
    }
    throw invalid("integer too large");
  }

  #string(): string {
    const isHuffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(0x7f);
    const from = this.#at;
    const to = from + length;
    if (to > this.#block.length) throw invalid("string longer than the block");
    this.#at = to;
    if (!isHuffman) return this.#block.toString("latin1", from, to);
    const text = huffmanDecode(this.#block, from, to);
    if (text === undefined) throw invalid("invalid Huffman code");
    return text;
  }

  #byte(): number {
    const byte = this.#block[this.#at];
    if (byte === undefined) throw invalid("block ends too early");
    this.#at += 1;
    return byte;
  }
}

function invalid(what: string): Http2Error {
  return new Http2Error("compression-error", `Header block of the peer cannot be decoded: ${what}`);
}
