/**
 * An HTTP/2 connection that carries requests, either role, over anything that takes and gives bytes: a pod's socket, or a
 * stream of a tunnel. The interface is in request-stream.ts.
 *
 *   open --GOAWAY, either side's--> draining --last stream over--> closing --peer closes, or lingerMs--> closed
 *     \________ peer breaks the protocol, close(): GOAWAY _________-^
 *      \_______ transport lost ____________________________________________________________________--^
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { Fields } from "../http/fields.ts";
import { CarriedRequest } from "./carried-request.ts";
import { MAX_STREAM_ID } from "./frame-format.ts";
import { Http2Connection } from "./http2-connection.ts";
import { Http2Error, WIRE_CODE } from "./http2-error.ts";
import type { Http2Stream } from "./http2-stream.ts";
import type { HeaderField } from "./hpack-static-table.ts";
import { type Http2LimitName, http2Limits, http2Timers } from "./limits.ts";
import { readRequestMessage, readResponseMessage, readTrailers } from "./read-message.ts";
import type { PeerSettings } from "./read-settings.ts";
import type {
  ByteTransport,
  ConnectionState,
  Http2RequestConnection,
  RequestConnectionEvents,
  RequestMessage,
  RequestStream,
  RequestStreamHandler,
  ResponseMessage,
} from "./request-stream.ts";
import { TransportTarget } from "./transport-target.ts";
import { writeRequest, writeResponse } from "./write-message.ts";

export interface RequestConnectionOptions {
  readonly role: "client" | "server";
  readonly clock: Clock;
  readonly events: RequestConnectionEvents;
}

type State = ConnectionState | "closing";

const BAD_REQUEST = 400;
const FIELDS_TOO_LARGE = 431;

export class RequestConnection extends Http2Connection<CarriedRequest> implements Http2RequestConnection {
  readonly #clock: Clock;
  readonly #events: RequestConnectionEvents;
  readonly #target: TransportTarget;
  readonly #startedMs: number;
  #state: State = "open";
  #idleSinceMs: number | undefined;
  #end: { readonly detail: string; readonly error: Http2Error | undefined } | undefined;
  #lingerTimer: Timer | undefined;
  #graceTimer: Timer | undefined;
  #pongDueMs = Number.POSITIVE_INFINITY;
  #peerTakesExtendedConnect = false;
  /** `hasRoom` was asked for and was false. */
  #roomWanted = false;
  #roomDue = false;
  /** Server: streams that we have reset, of which frames may still be on their way. The oldest comes first. */
  readonly #resets = new Set<number>();
  /** Header blocks that were read, and what a sweep saw of them. */
  #heads = 0;
  #sweptHeads = -1;
  #sweptHeadsMs = 0;

  constructor({ role, clock, events }: RequestConnectionOptions) {
    const target = new TransportTarget();
    super({ target, role, clock, bounds: http2Limits });
    this.#target = target;
    this.#clock = clock;
    this.#events = events;
    this.#startedMs = clock.monotonicMs();
    this.#idleSinceMs = this.#startedMs;
  }

  start(transport: ByteTransport): void {
    this.#target.transport = transport;
    this.sayHello(this.isServer);
  }

  // What its owner asks.

  get state(): ConnectionState {
    return this.#state === "closing" ? "closed" : this.#state;
  }

  get isDraining(): boolean {
    return this.#state !== "open";
  }

  get activeStreams(): number {
    return this.streams.size;
  }

  get maxConcurrent(): number {
    return this.maxStreams;
  }

  get hasRoom(): boolean {
    const hasRoom = this.#state === "open" && this.hasStreamRoom && this.streams.size < this.bounds.streams;
    if (!hasRoom) this.#roomWanted = true;
    return hasRoom;
  }

  get takesExtendedConnect(): boolean | undefined {
    return this.settingsCame ? this.#peerTakesExtendedConnect : undefined;
  }

  get idleSinceMs(): number | undefined {
    return this.#idleSinceMs;
  }

  get heldBytes(): number {
    return this.queuedBytes + this.unreadBytes + this.bufferedBytes;
  }

  open(request: RequestMessage, endStream: boolean, handler: RequestStreamHandler): RequestStream {
    if (!this.hasRoom)
      throw new Http2Error("refused-stream", "Cannot open a stream, the connection has no room for it");
    const stream = new CarriedRequest(this, { handler, isHead: request.method === "HEAD" });
    this.#idleSinceMs = undefined;
    this.openStreamWith(stream, (out, id) => writeRequest(this, out, id, request, endStream));
    if (endStream) stream.finishedAtOnce();
    if (this.isExhausted) this.#drain();
    return stream;
  }

  goaway(graceful: boolean): void {
    if (this.#state !== "open") return;
    this.#state = "draining";
    if (graceful && this.isServer) {
      this.control().goaway(MAX_STREAM_ID, WIRE_CODE["no-error"]);
      this.ping();
      this.#graceTimer = this.#clock.after(http2Timers.goawayGraceMs, () => this.#saidGoaway());
      return;
    }
    this.#saidGoaway();
  }

  close(code: number, detail: string): void {
    this.#fail(code, detail, undefined);
  }

  lost(detail: string, undelivered: boolean): void {
    if (this.#state === "closed") return;
    this.#target.isGone = true;
    this.abandon(WIRE_CODE[undelivered ? "refused-stream" : "cancel"], detail, false);
    this.#closed(detail, undefined);
  }

  override ping(): void {
    if (this.#pongDueMs === Number.POSITIVE_INFINITY) {
      this.#pongDueMs = this.#clock.monotonicMs() + http2Timers.pingTimeoutMs;
    }
    super.ping();
  }

  sweep(nowMs: number): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    const refusal = this.#refusalAt(nowMs);
    if (refusal !== undefined) {
      this.#events.onLimit(refusal.limit);
      this.#fail(WIRE_CODE["enhance-your-calm"], refusal.detail, undefined);
      return;
    }
    this.writer.trim();
    if (this.queuedBytes > 0) this.#sweepStreams(nowMs);
  }

  // What its transport calls.

  onData(chunk: Buffer): void {
    if (this.#state !== "closing" && this.#state !== "closed") this.receive(chunk);
  }

  onEnd(): void {
    if (this.#state === "closed") return;
    this.#target.end();
    this.abandon(WIRE_CODE.cancel, "peer closed the connection", false);
    this.#closed("peer closed the connection", undefined);
  }

  onDrain(): void {
    this.#target.drained();
  }

  onReset(_code: number, reason: string): void {
    this.lost(reason, false);
  }

  // What its streams ask for.

  sendResponse(streamId: number, response: ResponseMessage, endStream: boolean): void {
    writeResponse(this, this.control(), streamId, response, endStream);
  }

  override onMoved(): void {}

  override sendReset(streamId: number, code: number): void {
    super.sendReset(streamId, code);
    if (!this.isServer) return;
    this.#resets.add(streamId);
    if (this.#resets.size > this.bounds.resetBurst) this.#resets.delete(this.#resets.values().next().value as number);
  }

  // What comes of Http2Connection.

  override receiveSettings(settings: PeerSettings): void {
    const { takesExtendedConnect } = settings;
    if (takesExtendedConnect === false && this.#peerTakesExtendedConnect) {
      throw new Http2Error("protocol-error", "Peer takes back ENABLE_CONNECT_PROTOCOL (RFC 8441 section 3)");
    }
    this.#peerTakesExtendedConnect ||= takesExtendedConnect === true;
    super.receiveSettings(settings);
    this.#events.onSettings();
  }

  protected receiveRequest(id: number, endStream: boolean, fields: readonly HeaderField[] | undefined): void {
    this.#heads += 1;
    let request: RequestMessage;
    try {
      if (fields === undefined) throw this.#tooManyFields();
      request = readRequestMessage(fields, endStream);
    } catch (error) {
      if (!(error instanceof Http2Error)) throw error;
      this.#refuse(id, fields === undefined ? FIELDS_TOO_LARGE : BAD_REQUEST, error);
      return;
    }
    const stream = new CarriedRequest(this, { handler: undefined, expectedBytes: request.length });
    this.addStream(id, stream);
    this.#idleSinceMs = undefined;
    stream.setHandler(this.#events.onRequest(stream, request, endStream));
    if (endStream) stream.receiveEnd();
  }

  protected receiveMessage(
    stream: CarriedRequest,
    endStream: boolean,
    fields: readonly HeaderField[] | undefined,
  ): void {
    this.#heads += 1;
    if (stream.peerEnded) {
      this.failStream(stream, "stream-closed", "peer sent headers after its end");
      return;
    }
    if (stream.headCame) this.#receiveTrailers(stream, endStream, fields);
    else this.#receiveResponse(stream, endStream, fields);
    if (endStream && !stream.isDead) this.endStream(stream);
  }

  #receiveResponse(stream: CarriedRequest, endStream: boolean, fields: readonly HeaderField[] | undefined): void {
    const response = this.#read(stream, fields, (list) => readResponseMessage(list, endStream));
    if (response === undefined) return;
    if (response.status < 200) this.flood.controlFrame();
    stream.receiveResponse(response, endStream);
  }

  #receiveTrailers(stream: CarriedRequest, endStream: boolean, fields: readonly HeaderField[] | undefined): void {
    const trailers = this.#read(stream, fields, (list) => readTrailers(list, endStream));
    if (trailers !== undefined) stream.receiveTrailers(trailers);
  }

  /** undefined: it is no message, and the stream was reset. */
  #read<T>(
    stream: CarriedRequest,
    fields: readonly HeaderField[] | undefined,
    read: (list: readonly HeaderField[]) => T,
  ): T | undefined {
    try {
      if (fields === undefined) throw this.#tooManyFields();
      return read(fields);
    } catch (error) {
      if (!(error instanceof Http2Error)) throw error;
      this.#events.onMalformed(error);
      this.failStream(stream, error.code, error.message);
      return undefined;
    }
  }

  #tooManyFields(): Http2Error {
    this.#events.onLimit("headerListBytes");
    return new Http2Error("enhance-your-calm", "Peer sends a message with too many fields", "headerListBytes");
  }

  /** RFC 9113 section 5.1: what comes for a stream that the client itself has ended is no HTTP/2. */
  protected override onClosedStream(streamId: number, what: "data" | "headers"): void {
    if (!this.isServer || this.#resets.has(streamId)) return;
    if (what === "headers") {
      throw new Http2Error("stream-closed", `Peer sends headers for stream ${streamId}, which is closed`);
    }
    this.failRequest(streamId, "stream-closed");
  }

  protected override refuseStream(streamId: number): void {
    if (!this.isRefusing) this.#events.onLimit("streams");
    super.refuseStream(streamId);
  }

  override onReleased(stream: Http2Stream): void {
    super.onReleased(stream);
    if (this.isServer && !stream.isDead) this.flood.streamCompleted();
  }

  protected onStreamGone(): void {
    if (this.streams.size > 0) {
      this.onRoom();
      return;
    }
    this.#idleSinceMs = this.#clock.monotonicMs();
    if (this.#state === "draining") this.#finishWhenEmpty();
    else this.onRoom();
  }

  /** Whoever waits for room is told outside of any method. */
  protected onRoom(): void {
    if (!this.#roomWanted || this.#roomDue) return;
    this.#roomDue = true;
    setImmediate(() => {
      this.#roomDue = false;
      if (this.#state !== "open" || !this.hasRoom) return;
      this.#roomWanted = false;
      this.#events.onRoom();
    });
  }

  protected onGoaway(lastStreamId: number, _code: number): void {
    // What a client says is about streams that a server opens: there are none.
    if (!this.isServer) {
      const detail = "peer is closing the connection";
      for (const stream of this.streams.takeAbove(lastStreamId)) {
        stream.lose(WIRE_CODE["refused-stream"], detail, true);
        this.onStreamGone();
      }
    }
    this.#drain();
  }

  protected onPong(): void {
    this.#pongDueMs = Number.POSITIVE_INFINITY;
    if (this.#graceTimer !== undefined) this.#saidGoaway();
  }

  protected onFailed(error: Http2Error): void {
    if (error.limit !== undefined) this.#events.onLimit(error.limit);
    this.#fail(error.wireCode, error.message, error);
  }

  // Its ends.

  /** No new streams: the peer, or the number of identifiers, has it so. */
  #drain(): void {
    if (this.#state !== "open") return;
    this.#state = "draining";
    setImmediate(() => this.#events.onDraining());
    this.#finishWhenEmpty();
  }

  /** The last word about which streams are looked at. */
  #saidGoaway(): void {
    this.#graceTimer?.cancel();
    this.#graceTimer = undefined;
    if (this.#state !== "draining") return;
    this.sayGoaway(WIRE_CODE["no-error"]);
    this.#finishWhenEmpty();
  }

  #finishWhenEmpty(): void {
    if (this.#state !== "draining" || this.streams.size > 0 || this.#graceTimer !== undefined) return;
    if (!this.isRefusing) this.sayGoaway(WIRE_CODE["no-error"]);
    this.#end = { detail: "drained", error: undefined };
    // A client may not have read everything: it closes when it has. Some throw away what they hold when their server does.
    if (this.isServer) this.#lingerTimer ??= this.#clock.after(http2Timers.closeGraceMs, () => this.#finish());
    else this.#finish();
  }

  #finish(): void {
    this.#state = "closing";
    this.writer.finish();
    this.#linger();
  }

  /** GOAWAY and the end; what still comes is thrown away, or the peer's kernel would throw our last words away. */
  #fail(code: number, detail: string, error: Http2Error | undefined): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#state = "closing";
    this.#end = { detail, error };
    this.abandon(code, detail, true);
    this.#target.end();
    this.#linger();
  }

  #linger(): void {
    this.#graceTimer?.cancel();
    this.#lingerTimer?.cancel();
    this.#lingerTimer = this.#clock.after(http2Timers.lingerMs, () => {
      this.#target.reset();
      this.#closed("peer does not close", undefined);
    });
  }

  #closed(detail: string, error: Http2Error | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#lingerTimer?.cancel();
    this.#graceTimer?.cancel();
    const end = this.#end ?? { detail, error };
    // After the streams that were lost, which are told in the same phase.
    setImmediate(() => this.#events.onClosed(end));
  }

  // Refusals.

  /** An answer to what is no request, so that its client's operator sees why; then the stream is reset all the same. */
  #refuse(streamId: number, status: number, error: Http2Error): void {
    const fields = new Fields();
    fields.addParsed("hawser-reason", "malformed-request");
    this.sendResponse(streamId, { status, fields, length: 0 }, true);
    this.failRequest(streamId, error.code);
    this.#events.onMalformed(error);
  }

  #refusalAt(nowMs: number): { readonly limit: Http2LimitName; readonly detail: string } | undefined {
    if (nowMs >= this.#pongDueMs) return { limit: "pingTimeoutMs", detail: "peer does not answer PING" };
    if (this.#target.isStalled(nowMs, http2Timers.windowStallMs)) {
      return { limit: "windowStallMs", detail: "peer's network takes no data" };
    }
    if (!this.settingsCame) {
      const isSlow = this.isServer && nowMs - this.#startedMs >= http2Timers.slowHeadMs;
      return isSlow ? { limit: "slowHeadMs", detail: "peer does not send SETTINGS" } : undefined;
    }
    if (!this.isReadingHeaders || this.#heads !== this.#sweptHeads) {
      this.#sweptHeads = this.isReadingHeaders ? this.#heads : -1;
      this.#sweptHeadsMs = nowMs;
      return undefined;
    }
    if (nowMs - this.#sweptHeadsMs < http2Timers.slowHeadMs) return undefined;
    return { limit: "slowHeadMs", detail: "peer does not complete a header block" };
  }

  #sweepStreams(nowMs: number): void {
    for (const stream of this.streams.all()) {
      if (!stream.isStalled(nowMs, http2Timers.windowStallMs)) continue;
      this.#events.onLimit("windowStallMs");
      this.resetStream(stream, "cancel", "peer takes no data");
    }
  }
}
