/**
 * One HTTP/2 connection over an established transport, either role: acts on frames, keeps the streams and both levels of
 * flow control. What its messages are is up to the classes that extend it: CONNECT streams of tunnels, and requests.
 *
 *   transport -> receive -> FrameParser -> FrameReader -> (this) -> Http2Stream -> handler
 *   Http2Stream.write -> (this) -> SendScheduler -> TurnWriter -> FrameTarget
 *
 * Credit for the connection's window goes back on receipt, that for a stream's as it is read: a reader that stops holds
 * up nobody else, until all unread data together is too much. What ends the connection is thrown as Http2Error while frames are read, and leaves with GOAWAY.
 */
import type { Clock } from "../../core/clock.ts";
import { ChunkPool } from "./chunk-pool.ts";
import { FloodGuard } from "./flood-guard.ts";
import type { FrameBuffer } from "./frame-buffer.ts";
import { DEFAULT_FRAME_BYTES, DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES } from "./frame-format.ts";
import { FrameReader, type FrameReceiver } from "./frame-reader.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import type { HeaderField } from "./hpack-static-table.ts";
import type { Http2Bounds } from "./http2-bounds.ts";
import { Http2Error, type Http2ErrorCode, WIRE_CODE } from "./http2-error.ts";
import type { Http2Stream, StreamLink } from "./http2-stream.ts";
import type { PeerSettings } from "./read-settings.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { SendScheduler } from "./send-scheduler.ts";
import { StreamTable } from "./stream-table.ts";
import { type FrameSource, type FrameTarget, TurnWriter } from "./turn-writer.ts";
import { writeOpening } from "./write-opening.ts";

export interface Http2ConnectionOptions {
  readonly target: FrameTarget;
  readonly role: "client" | "server";
  readonly clock: Clock;
  readonly bounds: Http2Bounds;
}

/** Which of our PINGs it was does not matter: there is one at a time. */
const PING_PAYLOAD = Buffer.from("hawser!\n", "latin1");

export abstract class Http2Connection<Stream extends Http2Stream> implements FrameReceiver, FrameSource, StreamLink {
  readonly bounds: Http2Bounds;
  protected readonly isServer: boolean;
  readonly encoder: HpackEncoder;
  readonly copies = new ChunkPool();
  protected readonly flood: FloodGuard;
  protected readonly streams = new StreamTable<Stream>();
  protected readonly writer: TurnWriter;
  readonly #reader: FrameReader;
  readonly #scheduler: SendScheduler;
  readonly #receiveWindow: ReceiveWindow;
  #soon: Http2Stream[] = [];
  /** Stream of the DATA frame that is being read. */
  #dataStream: Stream | undefined;
  #peerWindowBytes = DEFAULT_WINDOW_BYTES;
  #peerMaxStreams: number;
  #peerMaxFrameBytes = DEFAULT_FRAME_BYTES;
  #settingsCame = false;
  /** What our GOAWAY has said. */
  #lastSeenId: number | undefined;
  #unreadBytes = 0;
  #queuedBytes = 0;
  /** Credit for the connection that is held back while too much is unread. */
  #withheldBytes = 0;

  protected constructor({ target, role, clock, bounds }: Http2ConnectionOptions) {
    this.bounds = bounds;
    this.isServer = role === "server";
    this.encoder = new HpackEncoder(bounds);
    this.writer = new TurnWriter(target, this, bounds);
    this.flood = new FloodGuard(clock, bounds);
    this.#scheduler = new SendScheduler(bounds);
    this.#receiveWindow = new ReceiveWindow(bounds.connectionWindowBytes);
    this.#peerMaxStreams = bounds.streamsBeforeSettings;
    this.#reader = new FrameReader({ isServer: this.isServer, flood: this.flood, receiver: this, bounds });
  }

  // What the messages are.

  /** Server: a client opens a stream. `fields` is absent when they are too many. */
  protected abstract receiveRequest(
    streamId: number,
    endStream: boolean,
    fields: readonly HeaderField[] | undefined,
  ): void;
  /** Within a stream that is there. */
  protected abstract receiveMessage(
    stream: Stream,
    endStream: boolean,
    fields: readonly HeaderField[] | undefined,
  ): void;
  /** A stream is over, at least on the wire. */
  protected abstract onStreamGone(): void;
  /** There may be room for another stream. */
  protected abstract onRoom(): void;
  /** Streams above `lastStreamId` were not seen. */
  protected abstract onGoaway(lastStreamId: number, code: number): void;
  protected abstract onPong(): void;
  /** The peer broke the protocol; nothing more is read. */
  protected abstract onFailed(error: Http2Error): void;
  abstract onMoved(bytes: number): void;

  // For whoever owns it.

  protected sayHello(takesExtendedConnect = false): void {
    writeOpening(this.writer.out, this.isServer, this.bounds, takesExtendedConnect);
    this.writer.request();
  }

  /** As many as the peer said that it takes, at most ours. Before it has said: ours. */
  get maxStreams(): number {
    return this.#settingsCame ? Math.min(this.#peerMaxStreams, this.bounds.streams) : this.bounds.streams;
  }

  /** A connection cannot name more streams: it has to be replaced. */
  get isExhausted(): boolean {
    return this.streams.isExhausted;
  }

  ping(): void {
    this.writer.trim();
    this.copies.trim();
    this.writer.out.ping(PING_PAYLOAD, false);
    // A timer's turn has nothing to gather.
    this.writer.flush();
  }

  /** Streams that come after this are not looked at; those that are there go on. */
  protected sayGoaway(code: number): void {
    // Must not grow (RFC 9113 section 6.8), though streams that come later are counted on.
    this.#lastSeenId ??= this.isServer ? this.streams.lastId : 0;
    this.control().goaway(this.#lastSeenId, code);
  }

  /** Our GOAWAY was said: streams that come are not processed, the client may try them again elsewhere. */
  protected get isRefusing(): boolean {
    return this.#lastSeenId !== undefined;
  }

  /** Every stream is lost; nothing is read or written any more. `lastWords`: GOAWAY with this code goes before. */
  abandon(code: number, reason: string, lastWords: boolean): void {
    this.#reader.stop();
    if (lastWords) this.sayGoaway(code);
    this.writer.stop(lastWords);
    for (const stream of this.streams.takeAbove(0)) stream.lose(code, reason, false);
  }

  protected get unreadBytes(): number {
    return this.#unreadBytes;
  }

  protected get isReadingHeaders(): boolean {
    return this.#reader.isReadingHeaders;
  }

  protected get settingsCame(): boolean {
    return this.#settingsCame;
  }

  get peerMaxFrameBytes(): number {
    return this.#peerMaxFrameBytes;
  }

  /** Frames and blocks that are not complete, and what is not sent. */
  protected get bufferedBytes(): number {
    return this.#reader.heldBytes + this.writer.heldBytes;
  }

  // StreamLink: what streams ask for.

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  control(): FrameBuffer {
    this.writer.request();
    return this.writer.out;
  }

  sendReset(streamId: number, code: number): void {
    this.control().rstStream(streamId, code);
  }

  onQueued(stream: Http2Stream, bytes: number): void {
    this.#scheduler.add(stream);
    if (this.#scheduler.windowBytes > 0) this.writer.queued(bytes);
  }

  roomFor(bytes: number): FrameBuffer | undefined {
    const { out } = this.writer;
    return this.#scheduler.takesAtOnce(out, bytes) ? out : undefined;
  }

  onFramed(bytes: number): void {
    this.#scheduler.windowBytes -= bytes;
    this.flood.dataSent(1);
    this.writer.queued(bytes);
  }

  onQueueChanged(change: number): void {
    this.#queuedBytes += change;
  }

  onUnread(change: number): void {
    this.#unreadBytes += change;
    if (this.#withheldBytes === 0 || this.#unreadBytes > this.bounds.unreadBytes) return;
    this.#giveCredit(this.#withheldBytes);
    this.#withheldBytes = 0;
  }

  onReleased(stream: Http2Stream): void {
    if (stream.id !== 0) this.streams.remove(stream.id);
    this.onStreamGone();
  }

  callSoon(stream: Http2Stream): void {
    this.#soon.push(stream);
    if (this.#soon.length === 1) setImmediate(this.#runSoon);
  }

  readonly #runSoon = (): void => {
    const streams = this.#soon;
    this.#soon = [];
    for (const stream of streams) stream.runCallbacks();
  };

  // FrameSource: the turn's end.

  get hasWork(): boolean {
    return this.#scheduler.hasWork;
  }

  gather(out: FrameBuffer): number {
    const frames = this.#scheduler.gather(out);
    if (frames > 0) this.flood.dataSent(frames);
    return frames;
  }

  onWritten(): void {
    this.onRoom();
  }

  // Opening streams.

  protected get hasStreamRoom(): boolean {
    if (this.streams.size >= this.#peerMaxStreams || this.isExhausted) return false;
    return this.writer.out.length < this.bounds.unsentControlBytes / 2;
  }

  /** Client: `writeHead` writes the HEADERS frame of the stream's identifier. */
  protected openStreamWith(stream: Stream, writeHead: (out: FrameBuffer, id: number) => void): void {
    const id = this.streams.open(stream);
    writeHead(this.control(), id);
    stream.opened(id, this.#peerWindowBytes);
  }

  /** Server: a stream that `streams` knows to be in use. */
  protected addStream(streamId: number, stream: Stream): void {
    this.streams.add(streamId, stream);
    stream.opened(streamId, this.#peerWindowBytes);
  }

  // What the peer sends.

  /** Bytes of the transport. */
  protected receive(chunk: Buffer): void {
    try {
      this.#reader.feed(chunk);
      if (this.writer.out.length > this.bounds.unsentControlBytes) {
        throw new Http2Error("enhance-your-calm", "Peer asks for answers and does not read them", "unsentControlBytes");
      }
    } catch (error) {
      if (!(error instanceof Http2Error)) throw error;
      this.#reader.stop();
      this.onFailed(error);
    }
  }

  receiveDataFrame(streamId: number, windowBytes: number, payloadBytes: number): void {
    if (!this.#receiveWindow.receive(windowBytes)) {
      throw new Http2Error("flow-control-error", "Peer sends more than the connection's window");
    }
    if (this.#unreadBytes > this.bounds.unreadBytes) this.#withheldBytes += windowBytes;
    else this.#giveCredit(windowBytes);
    const stream = this.streams.find(streamId);
    this.#dataStream = stream;
    if (stream === undefined) this.onClosedStream(streamId, "data");
    else if (stream.peerEnded) this.failStream(stream, "stream-closed", "peer sent data after its end");
    else if (!stream.receiveFrame(windowBytes, windowBytes - payloadBytes)) {
      this.failStream(stream, "flow-control-error", "peer sent more than the stream's window");
    } else {
      const refusal = stream.refuseData(payloadBytes);
      if (refusal !== undefined) this.failStream(stream, "protocol-error", refusal);
    }
  }

  receiveData(chunk: Buffer, from: number, to: number): void {
    const stream = this.#dataStream;
    if (stream === undefined) return;
    stream.receiveData(chunk, from, to);
    if (this.#unreadBytes > this.bounds.unreadBytes) this.tooMuchUnread(stream);
  }

  /** Until some of it is read the connection gives no credit. */
  protected tooMuchUnread(_stream: Stream): void {}

  receiveDataEnd(endStream: boolean): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    if (endStream && stream !== undefined) this.endStream(stream);
  }

  /** The peer's message ends here, if it may. */
  protected endStream(stream: Stream): void {
    const refusal = stream.refuseEnd();
    if (refusal === undefined) stream.receiveEnd();
    else this.failStream(stream, "protocol-error", refusal);
  }

  receiveHeaders(streamId: number, endStream: boolean, fields: readonly HeaderField[] | undefined): void {
    if (this.isServer && streamId > this.streams.lastId) {
      this.streams.use(streamId);
      if (this.isRefusing || this.streams.size >= this.bounds.streams) this.refuseStream(streamId);
      else this.receiveRequest(streamId, endStream, fields);
      return;
    }
    const stream = this.streams.find(streamId);
    if (stream === undefined) this.onClosedStream(streamId, "headers");
    else this.receiveMessage(stream, endStream, fields);
  }

  /** A stream that is over, on the wire or by our reset, which the peer may not know yet. */
  protected onClosedStream(_streamId: number, _what: "data" | "headers"): void {}

  /** Not processed: the client may try again elsewhere. */
  protected refuseStream(streamId: number): void {
    this.failRequest(streamId, "refused-stream");
  }

  /** A stream that does not come to be. */
  protected failRequest(streamId: number, code: Http2ErrorCode): void {
    this.flood.reset();
    this.sendReset(streamId, WIRE_CODE[code]);
  }

  receiveCredit(streamId: number, bytes: number): void {
    if (streamId === 0) {
      if (bytes === 0) throw new Http2Error("protocol-error", "Peer gives a credit of 0");
      this.#scheduler.windowBytes += bytes;
      if (this.#scheduler.windowBytes > MAX_WINDOW_BYTES) throw tooMuchCredit();
      if (this.#scheduler.hasWork) this.writer.request();
      return;
    }
    const stream = this.streams.find(streamId);
    if (stream === undefined) return;
    if (bytes === 0) this.failStream(stream, "protocol-error", "peer gave a credit of 0");
    else if (!stream.growSendWindow(bytes)) {
      this.failStream(stream, "flow-control-error", "peer gave more credit than there can be");
    }
  }

  receiveReset(streamId: number, code: number): void {
    const stream = this.streams.find(streamId);
    stream?.receiveReset(code, "stream reset by peer", true);
    // A server can only reset what its client has begun.
    if (this.isServer || stream === undefined) this.flood.reset();
  }

  receiveSettings(settings: PeerSettings): void {
    // Without a word about it there is no maximum (section 6.5.2).
    if (!this.#settingsCame) this.#peerMaxStreams = Number.POSITIVE_INFINITY;
    this.#settingsCame = true;
    if (settings.maxFrameBytes !== undefined) {
      this.#peerMaxFrameBytes = settings.maxFrameBytes;
      this.#scheduler.setMaxFrameBytes(settings.maxFrameBytes);
    }
    if (settings.initialWindowBytes !== undefined) this.#changePeerWindow(settings.initialWindowBytes);
    if (settings.maxConcurrentStreams !== undefined) this.#peerMaxStreams = settings.maxConcurrentStreams;
    this.control().settingsAck();
    this.onRoom();
  }

  receivePing(payload: Buffer): void {
    this.control().ping(payload, true);
  }

  receivePong(payload: Buffer): void {
    if (payload.equals(PING_PAYLOAD)) this.onPong();
  }

  receiveGoaway(lastStreamId: number, code: number): void {
    this.onGoaway(lastStreamId, code);
  }

  /** Section 5.4.2. A peer that makes us reset streams is as busy as one that resets them. */
  protected failStream(stream: Stream, code: Http2ErrorCode, reason: string): void {
    this.#dataStream = undefined;
    this.resetStream(stream, code, reason);
    if (this.isServer) this.flood.reset();
  }

  protected resetStream(stream: Stream, code: Http2ErrorCode, reason: string): void {
    this.sendReset(stream.id, WIRE_CODE[code]);
    stream.receiveReset(WIRE_CODE[code], reason, false);
  }

  #giveCredit(bytes: number): void {
    const credit = this.#receiveWindow.consume(bytes);
    if (credit > 0) this.control().windowUpdate(0, credit);
  }

  /** Section 6.9.2: windows of streams that are open move by the difference. */
  #changePeerWindow(windowBytes: number): void {
    const change = windowBytes - this.#peerWindowBytes;
    this.#peerWindowBytes = windowBytes;
    if (!this.streams.growSendWindows(change)) throw tooMuchCredit();
  }
}

function tooMuchCredit(): Http2Error {
  return new Http2Error("flow-control-error", "Peer gives more credit than there can be");
}
