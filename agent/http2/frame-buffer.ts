/**
 * Frames on their way out, one after the other in one buffer that is used again and again: TLS takes one buffer
 * without a copy of its own, several only after joining them. For who takes several as they are, large payloads can stay
 * where they came.
 */
import { Flag, FRAME_HEADER_BYTES, FrameType } from "./frame-format.ts";

export class FrameBuffer {
  length = 0;
  /** Frames other than DATA with a payload, since `clear`. */
  controlFrames = 0;
  /** Payload that was not copied, beside `length`. */
  sliceBytes = 0;
  /** Payload may be sliced: who sends this calls `take`. */
  readonly takesSlices: boolean;
  #slices: { readonly at: number; readonly payload: Buffer }[] = [];
  readonly #idleBytes: number;
  #bytes: Buffer;

  /** `idleBytes`: what it holds on to when it is empty. */
  constructor(idleBytes: number, takesSlices = false) {
    this.takesSlices = takesSlices;
    this.#idleBytes = idleBytes;
    this.#bytes = Buffer.allocUnsafeSlow(idleBytes);
  }

  /** What was written. Valid until `clear`. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  /** Everything in order, for good: it belongs to the caller, and is not here any more. */
  take(): Buffer[] {
    const own = Buffer.from(this.written);
    const chunks: Buffer[] = [];
    let from = 0;
    for (const { at, payload } of this.#slices) {
      chunks.push(own.subarray(from, at), payload);
      from = at;
    }
    if (from < own.length) chunks.push(own.subarray(from));
    this.clear();
    return chunks;
  }

  /** A payload that is not copied: it comes after what was written so far. */
  slice(payload: Buffer): void {
    this.#slices.push({ at: this.length, payload });
    this.sliceBytes += payload.length;
  }

  clear(): void {
    this.length = 0;
    this.sliceBytes = 0;
    if (this.#slices.length > 0) this.#slices = [];
    this.controlFrames = 0;
  }

  /** Gives back memory that a burst has left behind. */
  trim(): void {
    if (this.length > 0 || this.#bytes.length === this.#idleBytes) return;
    this.#bytes = Buffer.allocUnsafeSlow(this.#idleBytes);
  }

  /** The underlying bytes with room for `count` after `length`. Whoever writes there moves `length`. */
  reserve(count: number): Buffer {
    const needed = this.length + count;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, this.length);
      this.#bytes = larger;
    }
    return this.#bytes;
  }

  frameHeader(payloadBytes: number, type: number, flags: number, streamId: number): void {
    const bytes = this.reserve(FRAME_HEADER_BYTES + payloadBytes);
    writeFrameHeader(bytes, this.length, payloadBytes, type, flags, streamId);
    this.length += FRAME_HEADER_BYTES;
    this.controlFrames += 1;
  }

  raw(bytes: Buffer): void {
    bytes.copy(this.reserve(bytes.length), this.length);
    this.length += bytes.length;
  }

  emptyData(streamId: number): void {
    this.frameHeader(0, FrameType.data, Flag.endStream, streamId);
  }

  rstStream(streamId: number, code: number): void {
    this.frameHeader(4, FrameType.rstStream, 0, streamId);
    this.#uint32(code);
  }

  settings(settings: readonly (readonly [id: number, value: number])[]): void {
    this.frameHeader(settings.length * 6, FrameType.settings, 0, 0);
    for (const [id, value] of settings) {
      this.#uint8(id >>> 8);
      this.#uint8(id & 0xff);
      this.#uint32(value);
    }
  }

  settingsAck(): void {
    this.frameHeader(0, FrameType.settings, Flag.ack, 0);
  }

  /** `payload`: 8 bytes. */
  ping(payload: Buffer, ack: boolean): void {
    this.frameHeader(payload.length, FrameType.ping, ack ? Flag.ack : 0, 0);
    this.raw(payload);
  }

  goaway(lastStreamId: number, code: number): void {
    this.frameHeader(8, FrameType.goaway, 0, 0);
    this.#uint32(lastStreamId);
    this.#uint32(code);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.frameHeader(4, FrameType.windowUpdate, 0, streamId);
    this.#uint32(increment);
  }

  #uint32(value: number): void {
    this.length = this.reserve(4).writeUInt32BE(value, this.length);
  }

  #uint8(value: number): void {
    this.length = this.reserve(1).writeUInt8(value, this.length);
  }
}

export function writeFrameHeader(
  bytes: Buffer,
  at: number,
  payloadBytes: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  bytes[at] = payloadBytes >>> 16;
  bytes[at + 1] = payloadBytes >>> 8;
  bytes[at + 2] = payloadBytes;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  bytes[at + 5] = streamId >>> 24;
  bytes[at + 6] = streamId >>> 16;
  bytes[at + 7] = streamId >>> 8;
  bytes[at + 8] = streamId;
}
