/**
 * The HTTP/2 connection of one tunnel, either role, over an established TLS socket: CONNECT streams, and nothing else.
 *
 * A client's stream waits when the peer takes no more; it has no identifier meanwhile.
 */
import type { Duplex } from "node:stream";
import type { Clock } from "../../../core/clock.ts";
import type { FrameBuffer } from "../../http2/frame-buffer.ts";
import type { HeaderField } from "../../http2/hpack-static-table.ts";
import { Http2Connection } from "../../http2/http2-connection.ts";
import type { Http2Error } from "../../http2/http2-error.ts";
import type { Http2Stream } from "../../http2/http2-stream.ts";
import { readIntoShared } from "../../sockets/read-into-shared.ts";
import type { FrameTarget } from "../../http2/turn-writer.ts";
import { type ConnectRequest, ErrorCode, type StreamHandler, type TunnelStream } from "../engine.ts";
import { LoadMeter } from "../load-meter.ts";
import { FramingStream } from "./framing-stream.ts";
import { framingLimits } from "./limits.ts";
import { type IncomingRequest, readRequest, readResponse } from "./read-message.ts";
import { type Headers, writeConnect, writeConnectAnswer } from "./write-connect.ts";

export interface ConnectionEvents {
  /** Server: the peer opened a stream. */
  onRequest(stream: FramingStream, request: IncomingRequest): void;
  /** A stream is over, at least on the wire. */
  onStreamGone(): void;
  /** The peer takes no more streams; those that it did not see are refused after this. */
  onGoaway(): void;
  onPong(): void;
  /** The peer broke the protocol, and was told. */
  onFailed(error: Http2Error): void;
}

export interface ConnectionOptions {
  /** TLS, established. */
  readonly socket: Duplex;
  readonly role: "client" | "server";
  readonly clock: Clock;
  readonly events: ConnectionEvents;
}

export class Connection extends Http2Connection<FramingStream> {
  readonly load = new LoadMeter();
  readonly #socket: Duplex;
  readonly #events: ConnectionEvents;
  /** Client: streams that the peer has no room for yet. */
  readonly #waiting: { readonly stream: FramingStream; readonly request: ConnectRequest }[] = [];

  constructor({ socket, role, clock, events }: ConnectionOptions) {
    super({ target: new SocketTarget(socket), role, clock, bounds: framingLimits });
    this.#socket = socket;
    this.#events = events;
  }

  start(): void {
    this.sayHello();
    const receive = (chunk: Buffer): void => this.receive(chunk);
    readIntoShared(this.#socket, receive);
    this.#socket.on("data", receive);
  }

  get openStreams(): number {
    return this.streams.size + this.#waiting.length;
  }

  openStream(request: ConnectRequest, handler: StreamHandler): TunnelStream {
    const stream = new FramingStream(this, handler);
    if (this.hasStreamRoom) this.#open(stream, request);
    else this.#waiting.push({ stream, request });
    return stream;
  }

  goaway(code: number): void {
    this.sayGoaway(code);
  }

  /** Ends the TLS connection after everything was sent. */
  finish(): void {
    this.writer.finish();
  }

  override abandon(code: number, reason: string, lastWords: boolean): void {
    super.abandon(code, reason, lastWords);
    this.#loseWaiting(code, reason);
  }

  sendResponse(streamId: number, status: number, headers: Headers, endStream: boolean): void {
    writeConnectAnswer(this.encoder, this.control(), streamId, status, headers, endStream);
  }

  override onMoved(bytes: number): void {
    this.load.add(bytes);
  }

  override onReleased(stream: Http2Stream): void {
    if (stream.id === 0) {
      const index = this.#waiting.findIndex((each) => each.stream === stream);
      if (index >= 0) this.#waiting.splice(index, 1);
    }
    super.onReleased(stream);
  }

  protected onStreamGone(): void {
    this.onRoom();
    this.#events.onStreamGone();
  }

  protected onRoom(): void {
    while (this.#waiting.length > 0 && this.hasStreamRoom) {
      const { stream, request } = this.#waiting.shift() as { stream: FramingStream; request: ConnectRequest };
      this.#open(stream, request);
    }
  }

  protected onPong(): void {
    this.#events.onPong();
  }

  protected onFailed(error: Http2Error): void {
    this.#events.onFailed(error);
  }

  protected onGoaway(lastStreamId: number): void {
    this.#events.onGoaway();
    // What a client says is about streams that a server opens: there are none.
    if (this.isServer) return;
    const reason = "peer is closing the tunnel";
    const refused = this.streams.takeAbove(lastStreamId);
    for (const stream of refused) stream.lose(ErrorCode.refusedStream, reason, true);
    const waiting = this.#loseWaiting(ErrorCode.refusedStream, reason);
    for (let count = refused.length + waiting; count > 0; count -= 1) this.#events.onStreamGone();
  }

  protected receiveRequest(id: number, endStream: boolean, fields: readonly HeaderField[] | undefined): void {
    const request = fields === undefined ? undefined : readRequest(fields);
    if (request === undefined) {
      this.failRequest(id, fields === undefined ? "enhance-your-calm" : "protocol-error");
      return;
    }
    const stream = new FramingStream(this, undefined);
    this.addStream(id, stream);
    if (endStream) stream.receiveEnd();
    this.#events.onRequest(stream, request);
  }

  protected receiveMessage(
    stream: FramingStream,
    endStream: boolean,
    fields: readonly HeaderField[] | undefined,
  ): void {
    if (!this.isServer && !stream.isAnswered) this.#response(stream, endStream, fields);
    // Trailers: of no interest, but they end the stream.
    else if (endStream && !stream.peerEnded) stream.receiveEnd();
    else this.failStream(stream, "protocol-error", "peer sent headers within a stream");
  }

  protected override tooMuchUnread(stream: FramingStream): void {
    this.failStream(stream, "enhance-your-calm", "tunnel holds too much unread data");
  }

  #response(stream: FramingStream, endStream: boolean, fields: readonly HeaderField[] | undefined): void {
    const response = fields === undefined ? undefined : readResponse(fields);
    const isInterim = response !== undefined && response.status < 200;
    if (response === undefined || (isInterim && endStream)) {
      this.failStream(stream, "protocol-error", "peer's answer is malformed");
      return;
    }
    if (isInterim) {
      this.flood.controlFrame();
      return;
    }
    stream.receiveResponse(response.status, response.reason);
    if (endStream) stream.receiveEnd();
  }

  #open(stream: FramingStream, { authority, headers }: ConnectRequest): void {
    this.openStreamWith(stream, (out, id) => writeConnect(this.encoder, out, id, authority, headers));
  }

  #loseWaiting(code: number, reason: string): number {
    const waiting = this.#waiting.splice(0);
    for (const { stream } of waiting) stream.lose(code, reason, false);
    return waiting.length;
  }
}

/** TLS takes one buffer without a copy of its own, and says when it is used up. */
class SocketTarget implements FrameTarget {
  readonly takesSlices = false;
  readonly #socket: Duplex;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  send(out: FrameBuffer, sent: () => void): void {
    this.#socket.write(out.written, sent);
  }

  end(): void {
    this.#socket.end();
  }
}
