/**
 * One HTTP/2 connection over an established TLS socket, either role: acts on frames, keeps the streams and both levels
 * of flow control.
 *
 *   TLS 'data' -> FrameParser -> FrameReader -> (this) -> FramingStream -> handler
 *   FramingStream.write -> (this) -> SendScheduler -> TurnWriter -> TLS
 *
 * Credit for the connection's window goes back on receipt, that for a stream's as it is read: a reader that stops holds
 * up nobody else. What ends the connection is thrown as FramingError while frames are read, and leaves with GOAWAY.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../../../core/clock.ts";
import { limits } from "../../limits.ts";
import { ErrorCode, type ConnectRequest, type StreamHandler, type TunnelStream } from "../engine.ts";
import { LoadMeter } from "../load-meter.ts";
import { FloodGuard } from "./flood-guard.ts";
import type { FrameBuffer } from "./frame-buffer.ts";
import { DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES } from "./frame-format.ts";
import { FrameReader, type FrameReceiver } from "./frame-reader.ts";
import { FramingError, WIRE_CODE } from "./framing-error.ts";
import { FramingStream, type StreamLink } from "./framing-stream.ts";
import { type Headers, HpackEncoder } from "./hpack-encoder.ts";
import type { HeaderField } from "./hpack-static-table.ts";
import { framingLimits } from "./limits.ts";
import { type IncomingRequest, readRequest, readResponse } from "./read-message.ts";
import type { PeerSettings } from "./read-settings.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { SendScheduler } from "./send-scheduler.ts";
import { StreamTable } from "./stream-table.ts";
import { type FrameSource, TurnWriter } from "./turn-writer.ts";
import { writeOpening } from "./write-opening.ts";

export interface ConnectionEvents {
  /** Server: the peer opened a stream. */
  onRequest(stream: FramingStream, request: IncomingRequest): void;
  /** A stream is over, at least on the wire. */
  onStreamGone(): void;
  /** The peer takes no more streams; those that it did not see are refused after this. */
  onGoaway(): void;
  onPong(): void;
  /** The peer broke the protocol, and was told. */
  onFailed(error: FramingError): void;
}

export interface ConnectionOptions {
  /** TLS, established. */
  readonly socket: Duplex;
  readonly role: "client" | "server";
  readonly clock: Clock;
  readonly events: ConnectionEvents;
}

/** Which of our PINGs it was does not matter: there is one at a time. */
const PING_PAYLOAD = Buffer.from("hawser!\n", "latin1");

export class Connection implements FrameReceiver, FrameSource, StreamLink {
  readonly load = new LoadMeter();
  readonly #options: ConnectionOptions;
  readonly #isServer: boolean;
  readonly #reader: FrameReader;
  readonly #writer: TurnWriter;
  readonly #scheduler = new SendScheduler();
  readonly #encoder = new HpackEncoder();
  readonly #flood: FloodGuard;
  readonly #receiveWindow = new ReceiveWindow(limits.tunnelWindowBytes);
  readonly #streams = new StreamTable();
  /** Client: streams that the peer has no room for yet. */
  readonly #waiting: { readonly stream: FramingStream; readonly request: ConnectRequest }[] = [];
  #soon: FramingStream[] = [];
  /** Stream of the DATA frame that is being read. */
  #dataStream: FramingStream | undefined;
  #peerWindowBytes = DEFAULT_WINDOW_BYTES;
  #peerMaxStreams: number = framingLimits.streamsBeforeSettings;
  #settingsCame = false;
  /** What our GOAWAY has said. */
  #lastSeenId: number | undefined;
  #unreadBytes = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#isServer = options.role === "server";
    this.#writer = new TurnWriter(options.socket, this);
    this.#flood = new FloodGuard(options.clock);
    this.#reader = new FrameReader({ isServer: this.#isServer, flood: this.#flood, receiver: this });
  }

  start(): void {
    writeOpening(this.#writer.out, this.#isServer);
    this.#writer.request();
    this.#options.socket.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  get openStreams(): number {
    return this.#streams.size + this.#waiting.length;
  }

  /** As many as the peer said that it takes, at most ours. Before it has said: ours, the rest waits. */
  get maxStreams(): number {
    return this.#settingsCame ? Math.min(this.#peerMaxStreams, limits.streamsPerTunnel) : limits.streamsPerTunnel;
  }

  /** A connection cannot name more streams: it has to be replaced. */
  get isExhausted(): boolean {
    return this.#streams.isExhausted;
  }

  openStream(request: ConnectRequest, handler: StreamHandler): TunnelStream {
    const stream = new FramingStream(this, handler);
    if (this.#hasRoom()) this.#open(stream, request);
    else this.#waiting.push({ stream, request });
    return stream;
  }

  ping(): void {
    this.#writer.trim();
    this.#writer.out.ping(PING_PAYLOAD, false);
    // A timer's turn has nothing to gather.
    this.#writer.flush();
  }

  /** Streams that come after this are not looked at; those that are there go on. */
  goaway(code: number): void {
    // Must not grow (RFC 9113 section 6.8), though streams that come later are counted on.
    this.#lastSeenId ??= this.#isServer ? this.#streams.lastId : 0;
    this.#writer.out.goaway(this.#lastSeenId, code);
    this.#writer.request();
  }

  /** Ends the TLS connection after everything was sent. */
  finish(): void {
    this.#writer.finish();
  }

  /** Every stream is lost; nothing is read or written any more. `lastWords`: GOAWAY with this code goes before. */
  abandon(code: number, reason: string, lastWords: boolean): void {
    this.#reader.stop();
    if (lastWords) this.goaway(code);
    this.#writer.stop(lastWords);
    for (const stream of this.#takeAbove(0)) stream.lose(code, reason);
  }

  // StreamLink: what streams ask for.

  onQueued(stream: FramingStream, bytes: number): void {
    this.#scheduler.add(stream);
    if (this.#scheduler.windowBytes > 0) this.#writer.queued(bytes);
  }

  sendEnd(streamId: number): void {
    this.#writer.out.emptyData(streamId);
    this.#writer.request();
  }

  sendReset(streamId: number, code: number): void {
    this.#writer.out.rstStream(streamId, code);
    this.#writer.request();
  }

  sendCredit(streamId: number, bytes: number): void {
    this.#writer.out.windowUpdate(streamId, bytes);
    this.#writer.request();
  }

  sendResponse(streamId: number, status: number, headers: Headers, endStream: boolean): void {
    this.#encoder.response(this.#writer.out, streamId, status, headers, endStream);
    this.#writer.request();
  }

  onUnread(change: number): void {
    this.#unreadBytes += change;
  }

  onReleased(stream: FramingStream): void {
    if (stream.id !== 0) this.#streams.remove(stream.id);
    else {
      const index = this.#waiting.findIndex((each) => each.stream === stream);
      if (index >= 0) this.#waiting.splice(index, 1);
    }
    this.#openWaiting();
    this.#options.events.onStreamGone();
  }

  callSoon(stream: FramingStream): void {
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
    return this.#scheduler.gather(out);
  }

  onWritten(): void {
    this.#openWaiting();
  }

  // Opening streams.

  #hasRoom(): boolean {
    if (this.#streams.size >= this.#peerMaxStreams || this.isExhausted) return false;
    return this.#writer.out.length < framingLimits.unsentControlBytes / 2;
  }

  #openWaiting(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) {
      const { stream, request } = this.#waiting.shift() as { stream: FramingStream; request: ConnectRequest };
      this.#open(stream, request);
    }
  }

  #open(stream: FramingStream, { authority, headers }: ConnectRequest): void {
    const id = this.#streams.open(stream);
    this.#encoder.connectRequest(this.#writer.out, id, authority, headers);
    this.#writer.request();
    stream.opened(id, this.#peerWindowBytes);
  }

  /** Removes the streams above `id`, and those that have none yet. */
  #takeAbove(id: number): FramingStream[] {
    return [...this.#streams.takeAbove(id), ...this.#waiting.splice(0).map(({ stream }) => stream)];
  }

  // FrameReceiver: what the peer sends.

  #read(chunk: Buffer): void {
    try {
      this.#reader.feed(chunk);
      if (this.#writer.out.length > framingLimits.unsentControlBytes) {
        throw new FramingError("enhance-your-calm", "Peer asks for answers and does not read them");
      }
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.#reader.stop();
      this.#options.events.onFailed(error);
    }
  }

  receiveDataFrame(streamId: number, windowBytes: number, payloadBytes: number): void {
    if (!this.#receiveWindow.receive(windowBytes)) {
      throw new FramingError("flow-control-error", "Peer sends more than the connection's window");
    }
    const credit = this.#receiveWindow.consume(windowBytes);
    if (credit > 0) this.sendCredit(0, credit);
    const stream = this.#streams.find(streamId);
    this.#dataStream = stream;
    if (stream === undefined) return;
    if (stream.peerEnded) this.#failStream(stream, WIRE_CODE["stream-closed"], "peer sent data after its end");
    else if (!stream.receiveFrame(windowBytes, windowBytes - payloadBytes)) {
      this.#failStream(stream, WIRE_CODE["flow-control-error"], "peer sent more than the stream's window");
    } else if (!this.#isServer && !stream.isAnswered) {
      this.#failStream(stream, WIRE_CODE["protocol-error"], "peer sent data before its answer");
    }
  }

  receiveData(chunk: Buffer, from: number, to: number): void {
    const stream = this.#dataStream;
    if (stream === undefined) return;
    stream.receiveData(chunk, from, to);
    if (this.#unreadBytes > framingLimits.unreadBytesPerTunnel) {
      this.#failStream(stream, ErrorCode.enhanceYourCalm, "tunnel holds too much unread data");
    }
  }

  receiveDataEnd(endStream: boolean): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    if (endStream) stream?.receiveEnd();
  }

  receiveHeaders(streamId: number, endStream: boolean, fields: readonly HeaderField[] | undefined): void {
    if (this.#isServer && streamId > this.#streams.lastId) {
      this.#newStream(streamId, endStream, fields);
      return;
    }
    const stream = this.#streams.find(streamId);
    if (stream === undefined) return;
    if (!this.#isServer && !stream.isAnswered) this.#response(stream, endStream, fields);
    // Trailers: of no interest, but they end the stream.
    else if (endStream && !stream.peerEnded) stream.receiveEnd();
    else this.#failStream(stream, WIRE_CODE["protocol-error"], "peer sent headers within a stream");
  }

  receiveCredit(streamId: number, bytes: number): void {
    if (streamId === 0) {
      if (bytes === 0) throw new FramingError("protocol-error", "Peer gives a credit of 0");
      this.#scheduler.windowBytes += bytes;
      if (this.#scheduler.windowBytes > MAX_WINDOW_BYTES) throw tooMuchCredit();
      if (this.#scheduler.hasWork) this.#writer.request();
      return;
    }
    const stream = this.#streams.find(streamId);
    if (stream === undefined) return;
    if (bytes === 0) this.#failStream(stream, WIRE_CODE["protocol-error"], "peer gave a credit of 0");
    else if (!stream.growSendWindow(bytes)) {
      this.#failStream(stream, WIRE_CODE["flow-control-error"], "peer gave more credit than there can be");
    }
  }

  receiveReset(streamId: number, code: number): void {
    this.#streams.find(streamId)?.receiveReset(code, "stream reset by peer");
  }

  receiveSettings(settings: PeerSettings): void {
    // Without a word about it there is no maximum (section 6.5.2).
    if (!this.#settingsCame) this.#peerMaxStreams = Number.POSITIVE_INFINITY;
    this.#settingsCame = true;
    if (settings.maxFrameBytes !== undefined) this.#scheduler.setMaxFrameBytes(settings.maxFrameBytes);
    if (settings.initialWindowBytes !== undefined) this.#changePeerWindow(settings.initialWindowBytes);
    if (settings.maxConcurrentStreams !== undefined) this.#peerMaxStreams = settings.maxConcurrentStreams;
    this.#writer.out.settingsAck();
    this.#writer.request();
    this.#openWaiting();
  }

  receivePing(payload: Buffer): void {
    this.#writer.out.ping(payload, true);
    this.#writer.request();
  }

  receivePong(payload: Buffer): void {
    if (payload.equals(PING_PAYLOAD)) this.#options.events.onPong();
  }

  receiveGoaway(lastStreamId: number): void {
    this.#options.events.onGoaway();
    // What a client says is about streams that a server opens: there are none.
    if (this.#isServer) return;
    for (const stream of this.#takeAbove(lastStreamId)) {
      stream.lose(ErrorCode.refusedStream, "peer is closing the tunnel");
      this.#options.events.onStreamGone();
    }
  }

  /** Section 5.4.2. A peer that makes us reset streams is as busy as one that resets them. */
  #failStream(stream: FramingStream, code: number, reason: string): void {
    this.#dataStream = undefined;
    this.sendReset(stream.id, code);
    stream.receiveReset(code, reason);
    this.#flood.reset();
  }

  #newStream(streamId: number, endStream: boolean, fields: readonly HeaderField[] | undefined): void {
    // Not processed, as our GOAWAY says: the client may try again elsewhere.
    const isRefused = this.#lastSeenId !== undefined;
    this.#streams.use(streamId);
    if (isRefused || this.#streams.size >= limits.streamsPerTunnel) {
      this.#flood.reset();
      this.sendReset(streamId, ErrorCode.refusedStream);
      return;
    }
    const request = fields === undefined ? undefined : readRequest(fields);
    if (request === undefined) {
      this.#flood.reset();
      this.sendReset(streamId, fields === undefined ? ErrorCode.enhanceYourCalm : WIRE_CODE["protocol-error"]);
      return;
    }
    const stream = new FramingStream(this, undefined);
    this.#streams.add(streamId, stream);
    stream.opened(streamId, this.#peerWindowBytes);
    if (endStream) stream.receiveEnd();
    this.#options.events.onRequest(stream, request);
  }

  #response(stream: FramingStream, endStream: boolean, fields: readonly HeaderField[] | undefined): void {
    const response = fields === undefined ? undefined : readResponse(fields);
    const isInterim = response !== undefined && response.status < 200;
    if (response === undefined || (isInterim && endStream)) {
      this.#failStream(stream, WIRE_CODE["protocol-error"], "peer's answer is malformed");
      return;
    }
    if (isInterim) {
      this.#flood.controlFrame();
      return;
    }
    stream.receiveResponse(response.status, response.reason);
    if (endStream) stream.receiveEnd();
  }

  /** Section 6.9.2: windows of streams that are open move by the difference. */
  #changePeerWindow(windowBytes: number): void {
    const change = windowBytes - this.#peerWindowBytes;
    this.#peerWindowBytes = windowBytes;
    if (!this.#streams.growSendWindows(change)) throw tooMuchCredit();
  }
}

function tooMuchCredit(): FramingError {
  return new FramingError("flow-control-error", "Peer gives more credit than there can be");
}
