/**
 * New values of `x-request-id`: UUIDs of version 4 (RFC 9562 section 5.4). Made many at a time as one text, of which each
 * is a slice: `randomUUID` joins the parts of every single one, and leaves ten times as much to collect.
 */
import { randomFillSync } from "node:crypto";

const ID_BYTES = 16;
const TEXT_BYTES = 36;
const IDS_AT_ONCE = 128;
/** Dashes go before these bytes. */
const GROUPS_AT: ReadonlySet<number> = new Set([4, 6, 8, 10]);
const DASH = 0x2d;
const HEX_DIGITS = Buffer.from("0123456789abcdef");
const VERSION_AT = 6;
const VARIANT_AT = 8;

export class RequestIds {
  readonly #random = Buffer.alloc(ID_BYTES * IDS_AT_ONCE);
  readonly #bytes = Buffer.alloc(TEXT_BYTES * IDS_AT_ONCE);
  #text = "";
  #at = 0;

  next(): string {
    if (this.#at === this.#text.length) this.#refill();
    const at = this.#at;
    this.#at += TEXT_BYTES;
    return this.#text.slice(at, this.#at);
  }

  #refill(): void {
    randomFillSync(this.#random);
    this.#at = 0;
    let to = 0;
    for (let index = 0; index < this.#random.length; index += 1) {
      const position = index % ID_BYTES;
      if (GROUPS_AT.has(position)) this.#bytes[to++] = DASH;
      const byte = marked(this.#random[index] as number, position);
      this.#bytes[to++] = HEX_DIGITS[byte >> 4] as number;
      this.#bytes[to++] = HEX_DIGITS[byte & 0xf] as number;
    }
    this.#text = this.#bytes.toString("latin1");
  }
}

/** With the version and the variant in their places. */
function marked(byte: number, position: number): number {
  if (position === VERSION_AT) return (byte & 0x0f) | 0x40;
  return position === VARIANT_AT ? (byte & 0x3f) | 0x80 : byte;
}
