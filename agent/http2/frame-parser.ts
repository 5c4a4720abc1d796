/**
 * Cuts a connection's bytes into frames, in whatever pieces they come.
 *
 *   preface (server) --> header --DATA----> [pad length] --> payload, passed on in slices --> [padding] --> header
 *                              \--others--> payload, whole (bounded) -------------------------------------> header
 *                               \-unknown-> skipped ------------------------------------------------------> header
 *
 * DATA is never copied or joined; at most one header or one small frame is assembled. Throws Http2Error, after which
 * it must not be fed again.
 */
import { Flag, FRAME_HEADER_BYTES, FrameType, PREFACE } from "./frame-format.ts";
import type { Http2Bounds } from "./http2-bounds.ts";
import { Http2Error } from "./http2-error.ts";

export interface FrameSink {
  /** A DATA frame begins. `windowBytes` is what counts against the windows: the payload and its padding. */
  onDataFrame(streamId: number, windowBytes: number, payloadBytes: number): void;
  /** A part of its payload, `from` to `to` of a chunk that may be kept. Never empty. */
  onDataPart(chunk: Buffer, from: number, to: number): void;
  onDataEnd(endStream: boolean): void;
  /** Any other frame of RFC 9113, whole. `payload` is valid during the call only. */
  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void;
  /** A frame of another type was skipped. */
  onUnknownFrame(): void;
}

type Mode = "header" | "pad-length" | "data" | "padding" | "payload" | "skip";

const NOTHING = Buffer.alloc(0);

export interface FrameParserOptions {
  readonly bounds: Pick<Http2Bounds, "maxFrameBytes" | "controlFrameBytes">;
  /** The peer is a client. */
  readonly expectPreface: boolean;
}

export class FrameParser {
  readonly #sink: FrameSink;
  readonly #bounds: FrameParserOptions["bounds"];
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerFill = 0;
  #prefaceFill: number;
  #stopped = false;
  #mode: Mode = "header";
  /** Of the present frame: bytes of the present mode still to come. */
  #left = 0;
  #padding = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  #assembly = NOTHING;

  constructor(sink: FrameSink, options: FrameParserOptions) {
    this.#sink = sink;
    this.#bounds = options.bounds;
    this.#prefaceFill = options.expectPreface ? 0 : PREFACE.length;
  }

  /** A frame other than DATA has begun and not ended. */
  get isAssembling(): boolean {
    return this.#mode === "payload";
  }

  /** Of a frame that is not complete. */
  get heldBytes(): number {
    return this.#assembly.length;
  }

  /** No more calls to the sink, not even for the rest of the present chunk. */
  stop(): void {
    this.#stopped = true;
    this.#assembly = NOTHING;
  }

  feed(chunk: Buffer): void {
    if (this.#stopped) return;
    let at = this.#prefaceFill < PREFACE.length ? this.#matchPreface(chunk) : 0;
    while (at < chunk.length && !this.#stopped) {
      switch (this.#mode) {
        case "header":
          at = this.#readHeader(chunk, at);
          break;
        case "data":
          at = this.#passData(chunk, at);
          break;
        case "payload":
          at = this.#readPayload(chunk, at);
          break;
        case "pad-length":
          this.#beginPadded(chunk[at] as number);
          at += 1;
          break;
        default:
          at = this.#skip(chunk, at);
      }
    }
  }

  #matchPreface(chunk: Buffer): number {
    const length = Math.min(PREFACE.length - this.#prefaceFill, chunk.length);
    if (PREFACE.compare(chunk, 0, length, this.#prefaceFill, this.#prefaceFill + length) !== 0) {
      throw new Http2Error("protocol-error", "Peer does not begin with the HTTP/2 connection preface");
    }
    this.#prefaceFill += length;
    return length;
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (this.#headerFill === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
      this.#begin(chunk, at);
      return at + FRAME_HEADER_BYTES;
    }
    const end = Math.min(chunk.length, at + FRAME_HEADER_BYTES - this.#headerFill);
    chunk.copy(this.#header, this.#headerFill, at, end);
    this.#headerFill += end - at;
    if (this.#headerFill === FRAME_HEADER_BYTES) {
      this.#headerFill = 0;
      this.#begin(this.#header, 0);
    }
    return end;
  }

  #begin(bytes: Buffer, at: number): void {
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    if (length > this.#bounds.maxFrameBytes) {
      throw new Http2Error("frame-size-error", `Peer sends a frame of ${length} bytes`);
    }
    this.#type = bytes[at + 3] as number;
    this.#flags = bytes[at + 4] as number;
    this.#streamId =
      (((bytes[at + 5] as number) & 0x7f) << 24) |
      ((bytes[at + 6] as number) << 16) |
      ((bytes[at + 7] as number) << 8) |
      (bytes[at + 8] as number);
    this.#left = length;
    if (this.#type === FrameType.data) this.#beginData(length);
    else if (this.#type <= FrameType.continuation) this.#beginPayload(length);
    else this.#beginUnknown(length);
  }

  #beginData(length: number): void {
    if ((this.#flags & Flag.padded) !== 0) {
      if (length === 0) throw new Http2Error("frame-size-error", "Padded DATA frame without a pad length");
      this.#mode = "pad-length";
      return;
    }
    this.#padding = 0;
    this.#sink.onDataFrame(this.#streamId, length, length);
    if (length === 0) this.#endData();
    else this.#mode = "data";
  }

  #beginPadded(padding: number): void {
    const payloadBytes = this.#left - 1 - padding;
    if (payloadBytes < 0) throw new Http2Error("protocol-error", "DATA frame has more padding than bytes");
    this.#sink.onDataFrame(this.#streamId, this.#left, payloadBytes);
    this.#padding = padding;
    this.#left = payloadBytes;
    if (payloadBytes === 0) this.#endPayloadOfData();
    else this.#mode = "data";
  }

  #passData(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    this.#sink.onDataPart(chunk, at, end);
    if (this.#left === 0) this.#endPayloadOfData();
    return end;
  }

  #endPayloadOfData(): void {
    if (this.#padding === 0) {
      this.#endData();
      return;
    }
    this.#left = this.#padding;
    this.#mode = "padding";
  }

  #endData(): void {
    this.#mode = "header";
    if (!this.#stopped) this.#sink.onDataEnd((this.#flags & Flag.endStream) !== 0);
  }

  #beginPayload(length: number): void {
    if (length > this.#bounds.controlFrameBytes) {
      throw new Http2Error(
        "enhance-your-calm",
        `Peer sends a frame of type ${this.#type} with ${length} bytes`,
        "controlFrameBytes",
      );
    }
    if (length === 0) this.#endPayload(NOTHING);
    else this.#mode = "payload";
  }

  #readPayload(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    const length = end - at;
    if (this.#assembly.length === 0 && length === this.#left) {
      this.#endPayload(chunk.subarray(at, end));
      return end;
    }
    if (this.#assembly.length === 0) this.#assembly = Buffer.allocUnsafe(this.#left);
    chunk.copy(this.#assembly, this.#assembly.length - this.#left, at, end);
    this.#left -= length;
    if (this.#left === 0) {
      const payload = this.#assembly;
      this.#assembly = NOTHING;
      this.#endPayload(payload);
    }
    return end;
  }

  #endPayload(payload: Buffer): void {
    this.#mode = "header";
    this.#sink.onFrame(this.#type, this.#flags, this.#streamId, payload);
  }

  #beginUnknown(length: number): void {
    if (length > 0) this.#mode = "skip";
    this.#sink.onUnknownFrame();
  }

  #skip(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    if (this.#left > 0) return end;
    if (this.#mode === "padding") this.#endData();
    else this.#mode = "header";
    return end;
  }
}
