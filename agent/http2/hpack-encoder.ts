/**
 * Encoder of header blocks, straight into the frames that go out: static table and plain literals only.
 *
 *   begin -> field... -> end: a HEADERS frame, and CONTINUATION frames when the peer takes no larger ones
 */
import { Flag, FRAME_HEADER_BYTES, FrameType } from "./frame-format.ts";
import { type FrameBuffer, writeFrameHeader } from "./frame-buffer.ts";
import { STATIC_TABLE } from "./hpack-static-table.ts";
import type { Http2Bounds } from "./http2-bounds.ts";

/** Indices of the static table (RFC 7541 appendix A) that are written without looking for them. */
export const StaticIndex = {
  authority: 1,
  method: 2,
  get: 2,
  post: 3,
  path: 4,
  http: 6,
  https: 7,
  status: 8,
  ok: 8,
} as const;
/** Dynamic table of size 0 (section 6.3): whatever the peer's limit is or becomes, this is below it. */
const NO_DYNAMIC_TABLE = 0x20;
/** A field that is an entry of a table (section 6.1). */
const INDEXED = 0x80;
/** Beside a literal without indexing (section 6.2.3). */
const NEVER_INDEXED = 0x10;
/** Prefixes and lengths of one field at most. */
const FIELD_OVERHEAD_BYTES = 12;
/** A literal with a name of the static table has the index behind a prefix of 4 bits. */
const NAME_PREFIX = 0x0f;
/** Latin-1 text that is shorter is written faster by a loop than by a call out of JavaScript. */
const LOOP_CHARACTERS = 24;

const STATIC_NAMES = new Map<string, number>();
for (const [index, [name]] of STATIC_TABLE.entries()) if (!STATIC_NAMES.has(name)) STATIC_NAMES.set(name, index + 1);

export class HpackEncoder {
  readonly #maxNames: number;
  /** Encoded forms of names: of literals without indexing (section 6.2.2), up to the end of the name. */
  readonly #names = new Map<string, Buffer>();
  #tableGivenUp = false;
  #out: FrameBuffer | undefined;
  #streamId = 0;
  /** Where the frame begins. */
  #start = 0;

  constructor(bounds: Pick<Http2Bounds, "encodedNames">) {
    this.#maxNames = bounds.encodedNames;
  }

  begin(out: FrameBuffer, streamId: number): void {
    this.#out = out;
    this.#streamId = streamId;
    this.#start = out.length;
    const bytes = out.reserve(FRAME_HEADER_BYTES + FIELD_OVERHEAD_BYTES);
    out.length += FRAME_HEADER_BYTES;
    if (this.#tableGivenUp) return;
    this.#tableGivenUp = true;
    bytes[out.length] = NO_DYNAMIC_TABLE;
    out.length += 1;
  }

  /** A whole entry of the static table. */
  indexed(index: number): void {
    const out = this.#out as FrameBuffer;
    out.reserve(1)[out.length] = INDEXED | index;
    out.length += 1;
  }

  /** A name of the static table, up to index 14, with a value of Latin-1 characters. */
  named(index: number, value: string): void {
    const out = this.#out as FrameBuffer;
    const bytes = out.reserve(value.length + FIELD_OVERHEAD_BYTES);
    bytes[out.length] = index;
    out.length = writeString(bytes, out.length + 1, value);
  }

  /** `name` in lower case. `isSecret`: must not get into a table, here or behind. */
  field(name: string, value: string, isSecret = false): void {
    const out = this.#out as FrameBuffer;
    const prefix = this.#names.get(name) ?? this.#encodeName(name);
    const bytes = out.reserve(prefix.length + value.length + FIELD_OVERHEAD_BYTES);
    const at = out.length;
    for (let index = 0; index < prefix.length; index += 1) bytes[at + index] = prefix[index] as number;
    if (isSecret) bytes[at] = NEVER_INDEXED | (prefix[0] as number);
    out.length = writeString(bytes, at + prefix.length, value);
  }

  end(endStream: boolean, maxFrameBytes: number): void {
    const out = this.#out as FrameBuffer;
    this.#out = undefined;
    const endFlag = endStream ? Flag.endStream : 0;
    const blockBytes = out.length - this.#start - FRAME_HEADER_BYTES;
    if (blockBytes > maxFrameBytes) {
      this.#split(out, maxFrameBytes, endFlag);
      return;
    }
    const flags = Flag.endHeaders | endFlag;
    writeFrameHeader(out.reserve(0), this.#start, blockBytes, FrameType.headers, flags, this.#streamId);
    out.controlFrames += 1;
  }

  #encodeName(name: string): Buffer {
    const index = STATIC_NAMES.get(name) ?? 0;
    const encoded = Buffer.alloc(name.length + FIELD_OVERHEAD_BYTES);
    let at = 1;
    if (index === 0) at = writeString(encoded, 1, name);
    else if (index < NAME_PREFIX) encoded[0] = index;
    else {
      encoded[0] = NAME_PREFIX;
      encoded[1] = index - NAME_PREFIX;
      at = 2;
    }
    const prefix = encoded.subarray(0, at);
    if (this.#names.size < this.#maxNames) this.#names.set(name, prefix);
    return prefix;
  }

  #split(out: FrameBuffer, maxFrameBytes: number, endFlag: number): void {
    const block = Buffer.from(out.written.subarray(this.#start + FRAME_HEADER_BYTES));
    out.length = this.#start;
    for (let at = 0; at < block.length; at += maxFrameBytes) {
      const part = block.subarray(at, at + maxFrameBytes);
      const type = at === 0 ? FrameType.headers : FrameType.continuation;
      const endHeaders = at + maxFrameBytes >= block.length ? Flag.endHeaders : 0;
      out.frameHeader(part.length, type, endHeaders | (at === 0 ? endFlag : 0), this.#streamId);
      out.raw(part);
    }
  }
}

/** Length with a 7-bit prefix and no Huffman bit, then the text (section 5.2). Returns the position after it. */
function writeString(bytes: Buffer, from: number, text: string): number {
  let at = from;
  const { length } = text;
  if (length < 0x7f) {
    bytes[at] = length;
    at += 1;
  } else {
    bytes[at] = 0x7f;
    at += 1;
    let rest = length - 0x7f;
    for (; rest >= 0x80; rest >>>= 7) {
      bytes[at] = (rest & 0x7f) | 0x80;
      at += 1;
    }
    bytes[at] = rest;
    at += 1;
  }
  if (length >= LOOP_CHARACTERS) return at + bytes.write(text, at, "latin1");
  for (let index = 0; index < length; index += 1) bytes[at + index] = text.charCodeAt(index);
  return at + length;
}
