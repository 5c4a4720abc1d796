/**
 * Encoder of the few messages that we send: CONNECT requests and their answers. Static table and plain literals only;
 * a dynamic table would cost more time than the bytes it saves on a cluster's network.
 */
import { Flag, FRAME_HEADER_BYTES, FrameType } from "./frame-format.ts";
import { type FrameBuffer, writeFrameHeader } from "./frame-buffer.ts";
import { framingLimits } from "./limits.ts";

/** Indices of the static table (RFC 7541 appendix A). */
const AUTHORITY = 1;
const METHOD = 2;
const STATUS = 8;
/** `:status: 200`, the whole field. */
const STATUS_200 = 0x80 | 8;
/** Dynamic table of size 0 (section 6.3): whatever the peer's limit is or becomes, this is below it. */
const NO_DYNAMIC_TABLE = 0x20;
/** Prefixes and lengths of one field at most. */
const FIELD_OVERHEAD_BYTES = 12;
const CONNECT = literal(METHOD, "CONNECT");

export type Headers = Readonly<Record<string, string>>;

export class HpackEncoder {
  readonly #names = new Map<string, Buffer>();
  #tableGivenUp = false;

  connectRequest(out: FrameBuffer, streamId: number, authority: string, headers: Headers): void {
    const bound = CONNECT.length + authority.length + FIELD_OVERHEAD_BYTES + boundOf(headers);
    const bytes = out.reserve(FRAME_HEADER_BYTES + bound);
    let at = this.#begin(bytes, out.length + FRAME_HEADER_BYTES);
    at += CONNECT.copy(bytes, at);
    bytes[at] = AUTHORITY;
    at = writeString(bytes, at + 1, authority);
    this.#finish(out, bytes, at, headers, Flag.endHeaders, streamId);
  }

  response(out: FrameBuffer, streamId: number, status: number, headers: Headers, endStream: boolean): void {
    const bytes = out.reserve(FRAME_HEADER_BYTES + FIELD_OVERHEAD_BYTES + boundOf(headers));
    let at = this.#begin(bytes, out.length + FRAME_HEADER_BYTES);
    if (status === 200) {
      bytes[at] = STATUS_200;
      at += 1;
    } else {
      at += literal(STATUS, String(status)).copy(bytes, at);
    }
    this.#finish(out, bytes, at, headers, endStream ? Flag.endHeaders | Flag.endStream : Flag.endHeaders, streamId);
  }

  #begin(bytes: Buffer, at: number): number {
    if (this.#tableGivenUp) return at;
    this.#tableGivenUp = true;
    bytes[at] = NO_DYNAMIC_TABLE;
    return at + 1;
  }

  #finish(out: FrameBuffer, bytes: Buffer, from: number, headers: Headers, flags: number, streamId: number): void {
    let at = from;
    for (const name in headers) {
      at += this.#name(name).copy(bytes, at);
      at = writeString(bytes, at, headers[name] as string);
    }
    const blockBytes = at - out.length - FRAME_HEADER_BYTES;
    writeFrameHeader(bytes, out.length, blockBytes, FrameType.headers, flags, streamId);
    out.length = at;
  }

  /** `0000 0000`, a literal with a literal name, up to the end of the name. */
  #name(name: string): Buffer {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const encoded = Buffer.alloc(name.length + FIELD_OVERHEAD_BYTES);
    const prefix = encoded.subarray(0, writeString(encoded, 1, name.toLowerCase()));
    if (this.#names.size < framingLimits.encodedNames) this.#names.set(name, prefix);
    return prefix;
  }
}

/** What all these headers take at most. */
function boundOf(headers: Headers): number {
  let bytes = 0;
  for (const name in headers) bytes += name.length + (headers[name] as string).length + FIELD_OVERHEAD_BYTES;
  return bytes;
}

/** A literal without indexing, its name from the static table (section 6.2.2). */
function literal(nameIndex: number, value: string): Buffer {
  const bytes = Buffer.alloc(value.length + FIELD_OVERHEAD_BYTES);
  bytes[0] = nameIndex;
  return bytes.subarray(0, writeString(bytes, 1, value));
}

/** Length with a 7-bit prefix and no Huffman bit, then the text (section 5.2). Returns the position after it. */
function writeString(bytes: Buffer, from: number, text: string): number {
  let at = from;
  if (text.length < 0x7f) {
    bytes[at] = text.length;
    at += 1;
  } else {
    bytes[at] = 0x7f;
    at += 1;
    let rest = text.length - 0x7f;
    for (; rest >= 0x80; rest >>>= 7) {
      bytes[at] = (rest & 0x7f) | 0x80;
      at += 1;
    }
    bytes[at] = rest;
    at += 1;
  }
  return at + bytes.write(text, at, "latin1");
}
