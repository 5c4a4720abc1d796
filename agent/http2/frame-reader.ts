/**
 * Between the parser and the connection: what holds for frames whatever the streams are. Their order, size and place,
 * header blocks, floods. What breaks it is thrown as Http2Error, and ends the connection.
 */
import { Flag, FrameType } from "./frame-format.ts";
import { FrameParser, type FrameSink } from "./frame-parser.ts";
import type { FloodGuard } from "./flood-guard.ts";
import type { Http2Bounds } from "./http2-bounds.ts";
import { Http2Error } from "./http2-error.ts";
import { HeaderAssembly } from "./header-assembly.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import type { HeaderField } from "./hpack-static-table.ts";
import { type PeerSettings, readSettings } from "./read-settings.ts";

/** What the frames of a peer mean. Data is that of the last `receiveDataFrame`. */
export interface FrameReceiver {
  /** `windowBytes`: the payload and its padding. */
  receiveDataFrame(streamId: number, windowBytes: number, payloadBytes: number): void;
  receiveData(chunk: Buffer, from: number, to: number): void;
  receiveDataEnd(endStream: boolean): void;
  /** `fields` is absent when they are too many. */
  receiveHeaders(streamId: number, endStream: boolean, fields: readonly HeaderField[] | undefined): void;
  /** `streamId` 0: the connection's window. */
  receiveCredit(streamId: number, bytes: number): void;
  receiveReset(streamId: number, code: number): void;
  receiveSettings(settings: PeerSettings): void;
  /** 8 bytes to be sent back. */
  receivePing(payload: Buffer): void;
  receivePong(payload: Buffer): void;
  receiveGoaway(lastStreamId: number, code: number): void;
}

export interface FrameReaderOptions {
  readonly isServer: boolean;
  readonly flood: FloodGuard;
  readonly receiver: FrameReceiver;
  readonly bounds: Http2Bounds;
}

const PING_BYTES = 8;
const PRIORITY_BYTES = 5;
const GOAWAY_LEAST_BYTES = 8;
/** The first bit of stream identifiers and increments is reserved and ignored. */
const LOW_31_BITS = 0x7fff_ffff;

export class FrameReader implements FrameSink {
  readonly #isServer: boolean;
  readonly #flood: FloodGuard;
  readonly #receiver: FrameReceiver;
  readonly #parser: FrameParser;
  readonly #headers: HeaderAssembly;
  readonly #decoder: HpackDecoder;
  #settingsCame = false;
  #dataIsEmpty = false;

  constructor(options: FrameReaderOptions) {
    this.#isServer = options.isServer;
    this.#flood = options.flood;
    this.#receiver = options.receiver;
    this.#headers = new HeaderAssembly(options.bounds);
    this.#decoder = new HpackDecoder(options.bounds);
    this.#parser = new FrameParser(this, { bounds: options.bounds, expectPreface: options.isServer });
  }

  feed(chunk: Buffer): void {
    this.#parser.feed(chunk);
  }

  /** A header block, or a frame that is not DATA, has begun and not ended. */
  get isReadingHeaders(): boolean {
    return this.#headers.isOpen || this.#parser.isAssembling;
  }

  get heldBytes(): number {
    return this.#parser.heldBytes + this.#headers.heldBytes;
  }

  /** Nothing more is received, not even the rest of the present chunk. */
  stop(): void {
    this.#parser.stop();
  }

  onDataFrame(streamId: number, windowBytes: number, payloadBytes: number): void {
    this.#checkOrder(FrameType.data);
    this.#dataIsEmpty = payloadBytes === 0;
    this.#receiver.receiveDataFrame(streamId, windowBytes, payloadBytes);
  }

  onDataPart(chunk: Buffer, from: number, to: number): void {
    this.#receiver.receiveData(chunk, from, to);
  }

  onDataEnd(endStream: boolean): void {
    if (this.#dataIsEmpty && !endStream) this.#flood.emptyFrame();
    this.#receiver.receiveDataEnd(endStream);
  }

  onUnknownFrame(): void {
    this.#checkOrder(undefined);
    this.#flood.controlFrame();
  }

  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    this.#checkOrder(type);
    switch (type) {
      case FrameType.headers:
        this.#headersFrame(this.#headers.begin(flags, streamId, payload));
        return;
      case FrameType.continuation:
        this.#headersFrame(this.#headers.continue(flags, streamId, payload));
        return;
      case FrameType.windowUpdate:
        this.#receiver.receiveCredit(streamId, onlyUint32(payload) & LOW_31_BITS);
        this.#flood.credit();
        return;
      case FrameType.rstStream:
        this.#receiver.receiveReset(streamId, onlyUint32(payload));
        return;
      case FrameType.priority:
        // Deprecated and without effect, but for its form (section 6.3).
        if (streamId === 0) throw new Http2Error("protocol-error", "Peer sends PRIORITY for the connection");
        if (payload.length !== PRIORITY_BYTES) throw wrongSize(payload);
        this.#flood.controlFrame();
        return;
      case FrameType.pushPromise:
        throw new Http2Error("protocol-error", "Peer sends PUSH_PROMISE, which nobody may here");
      default:
        this.#connectionFrame(type, flags, streamId, payload);
    }
  }

  /** Those that are about the connection as a whole. */
  #connectionFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw new Http2Error("protocol-error", `Peer sends a frame of type ${type} for a stream`);
    this.#flood.controlFrame();
    const isAck = (flags & Flag.ack) !== 0;
    if (type === FrameType.settings) this.#settings(isAck, payload);
    else if (type === FrameType.ping) this.#ping(isAck, payload);
    else {
      if (payload.length < GOAWAY_LEAST_BYTES) throw wrongSize(payload);
      this.#receiver.receiveGoaway(payload.readUInt32BE(0) & LOW_31_BITS, payload.readUInt32BE(4));
    }
  }

  /** SETTINGS come first (RFC 9113 section 3.4), and nothing comes between the parts of a header block. */
  #checkOrder(type: number | undefined): void {
    if (!this.#settingsCame && type !== FrameType.settings) {
      throw new Http2Error("protocol-error", "Peer does not begin with SETTINGS");
    }
    if (this.#headers.isOpen && type !== FrameType.continuation) {
      throw new Http2Error("protocol-error", "Peer interrupts a header block");
    }
  }

  /** Every block is decoded, also those that nobody wants: the table depends on it. */
  #headersFrame(block: Buffer | undefined): void {
    if (block === undefined) return;
    const { streamId, endStream } = this.#headers;
    this.#receiver.receiveHeaders(streamId, endStream, this.#decoder.decode(block));
  }

  #settings(isAck: boolean, payload: Buffer): void {
    if (isAck) {
      if (payload.length > 0) throw wrongSize(payload);
      return;
    }
    this.#settingsCame = true;
    this.#receiver.receiveSettings(readSettings(payload, !this.#isServer));
  }

  #ping(isAck: boolean, payload: Buffer): void {
    if (payload.length !== PING_BYTES) throw wrongSize(payload);
    if (isAck) this.#receiver.receivePong(payload);
    else this.#receiver.receivePing(payload);
  }
}

function onlyUint32(payload: Buffer): number {
  if (payload.length !== 4) throw wrongSize(payload);
  return payload.readUInt32BE(0);
}

function wrongSize(payload: Buffer): Http2Error {
  return new Http2Error("frame-size-error", `Peer sends a frame of ${payload.length} bytes whose size is fixed`);
}
