/**
 * An HTTP/2 connection to an endpoint that carries many requests of one pod at once: over a stream of a tunnel, or a plain
 * dial.
 *
 *   dialled -attach-> attached -200-> open --GOAWAY, age, idle--> draining --last request--> closed
 *       requests wait ---^ are sent as soon as there is a stream, before the 200
 *
 * What is lost before the endpoint has accepted was not delivered, and every request on it may be sent again.
 */
import type { Clock } from "../../../core/clock.ts";
import type { Candidate } from "../../../routing/decide-connection.ts";
import type { FrameBuffer } from "../../http2/frame-buffer.ts";
import { WIRE_CODE } from "../../http2/http2-error.ts";
import { http2Limits } from "../../http2/limits.ts";
import { RequestConnection } from "../../http2/request-connection.ts";
import type {
  ConnectionEnd,
  RequestConnectionEvents,
  RequestMessage,
  RequestStream,
  RequestStreamHandler,
} from "../../http2/request-stream.ts";
import type { FrameTarget } from "../../http2/turn-writer.ts";
import type { ByteCounters, CloseReason } from "../../relay/relay.ts";
import { ErrorCode, type TunnelStream } from "../../tunnel/engine.ts";
import type { DialledUpstream } from "./dial-upstream.ts";
import { H2Request } from "./h2-request.ts";
import { UpstreamFailure, type UpstreamFailureCode } from "./upstream-failure.ts";
import type { UpstreamUser } from "./upstream-request.ts";

export interface H2UpstreamOptions {
  readonly candidate: Candidate;
  readonly clock: Clock;
  /** The running totals of what it carries, once it is open. */
  readonly onOpen: () => ByteCounters;
  readonly onLimit: (name: string) => void;
  /** Once, also when it never opened. */
  readonly onClosed: (upstream: H2Upstream, reason: CloseReason) => void;
}

export class H2Upstream implements DialledUpstream, FrameTarget, RequestConnectionEvents {
  readonly candidate: Candidate;
  readonly startedMs: number;
  cancelDial: (() => void) | undefined;
  readonly #options: H2UpstreamOptions;
  readonly #connection: RequestConnection;
  /** All that are not over, in order: also those that wait for the stream. */
  readonly #requests = new Set<H2Request>();
  #stream: TunnelStream | undefined;
  #counters: ByteCounters = { sentBytes: 0, receivedBytes: 0 };
  /** The transport takes the next bytes. */
  #sent: (() => void) | undefined;
  #isOpen = false;
  #isClosed = false;
  #isLeaving = false;
  /** Requests it has carried to their end. */
  #carried = 0;
  #idleSinceMs: number;

  constructor(options: H2UpstreamOptions) {
    const { candidate, clock } = options;
    this.#options = options;
    this.candidate = candidate;
    this.startedMs = clock.monotonicMs();
    this.#idleSinceMs = this.startedMs;
    this.#connection = new RequestConnection({ role: "client", target: this, clock, events: this });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** No request is on it. */
  get isIdle(): boolean {
    return this.#requests.size === 0;
  }

  /** Another request can be given to it. */
  get hasRoom(): boolean {
    if (this.#isClosed || this.#isLeaving || this.#connection.isDraining) return false;
    const most = this.#isOpen ? this.#connection.maxConcurrent : http2Limits.streamsBeforeSettings;
    return this.#requests.size < most && (this.#stream === undefined || this.#connection.hasRoom);
  }

  get mayHaveDelivered(): boolean {
    return this.#isOpen || (this.candidate.transport === "tunnel" && this.#counters.sentBytes > 0);
  }

  begin(user: UpstreamUser): void {
    const request = new H2Request(this, user);
    this.#requests.add(request);
    user.onTaken(request);
    if (this.#stream !== undefined) request.ready();
  }

  attach(stream: TunnelStream): void {
    this.#stream = stream;
    this.#connection.start();
    for (const request of [...this.#requests]) request.ready();
  }

  /** From a request: its stream. */
  open(message: RequestMessage, endStream: boolean, handler: RequestStreamHandler): RequestStream {
    return this.#connection.open(message, endStream, handler);
  }

  /** The request is over. */
  forget(request: H2Request): void {
    if (!this.#requests.delete(request)) return;
    this.#carried += 1;
    this.#idleSinceMs = this.#options.clock.monotonicMs();
    if (!this.isIdle) return;
    if (this.#isLeaving || this.#connection.isDraining || !this.#isOpen) this.close("closed");
  }

  /** Takes no more requests, and closes after the last one. */
  leave(): void {
    this.#isLeaving = true;
    if (this.isIdle) this.close("closed");
  }

  sweep(nowMs: number, idleMs: number): void {
    this.#connection.sweep(nowMs);
    if (this.isIdle && nowMs - this.#idleSinceMs > idleMs) this.close("closed");
  }

  close(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#gone(reason);
    this.#connection.close(WIRE_CODE["no-error"], "closed");
  }

  fail(code: UpstreamFailureCode, why: string): void {
    const isConnect = code === "connect-failure" || code === "connect-timeout";
    this.#lose(isConnect ? "connect-failed" : "reset-by-peer", why, () => code);
  }

  /** Why a request on a connection that was lost has failed. */
  lossOf(request: H2Request, why: string): UpstreamFailure {
    return new UpstreamFailure(this.#lossCode(request), why);
  }

  // FrameTarget.

  send(out: FrameBuffer, sent: () => void): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#counters.sentBytes += out.length;
    // The stream keeps what it takes, and `out` is written to again.
    if (stream.write(Buffer.from(out.written))) process.nextTick(sent);
    else this.#sent = sent;
  }

  end(): void {
    this.#stream?.end();
  }

  // RequestConnectionEvents.

  onRequest(stream: RequestStream): RequestStreamHandler {
    stream.reset(WIRE_CODE["refused-stream"]);
    throw new Error("A server opens no streams");
  }

  onMalformed(): void {}

  onRoom(): void {}

  onDraining(): void {
    if (this.isIdle) this.close("closed");
  }

  onLimit(name: string): void {
    this.#options.onLimit(name);
  }

  onClosed({ detail, error }: ConnectionEnd): void {
    if (this.#isClosed) return;
    this.#lose("reset-by-peer", detail, () => (error === undefined ? undefined : "bad-response"));
  }

  // StreamHandler.

  onResponse(status: number, reason: string | undefined): void {
    if (this.#isClosed) return;
    const why = reason ?? `answer ${status}`;
    // 503: the application did not accept. Anything else is a verdict on us, which another endpoint would repeat.
    if (status === 503) this.fail("connect-failure", why);
    else if (status !== 200) this.fail("refused", `refused with ${status}: ${why}`);
    else this.#opened();
  }

  onData(chunk: Buffer): void {
    this.#counters.receivedBytes += chunk.length;
    if (!this.#isClosed) this.#connection.receive(chunk);
  }

  onEnd(): void {
    this.#lose("closed", "the server closed the connection", () => undefined);
  }

  onDrain(): void {
    const sent = this.#sent;
    this.#sent = undefined;
    sent?.();
  }

  onReset(code: number, reason: string): void {
    this.#stream = undefined;
    this.#lose("reset-by-peer", reason, () => (code === ErrorCode.refusedStream ? "refused-stream" : undefined));
  }

  #opened(): void {
    const early = this.#counters;
    this.#isOpen = true;
    this.#counters = this.#options.onOpen();
    this.#counters.sentBytes += early.sentBytes;
    this.cancelDial?.();
    this.cancelDial = undefined;
  }

  /** `code`: when it is the same for all requests. */
  #lose(reason: CloseReason, why: string, code: () => UpstreamFailureCode | undefined): void {
    if (this.#isClosed) return;
    this.#gone(reason);
    this.#connection.lost(why, !this.mayHaveDelivered);
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.reset(ErrorCode.cancel);
    for (const request of [...this.#requests]) {
      this.#requests.delete(request);
      request.fail(new UpstreamFailure(code() ?? this.#lossCode(request), `${this.candidate.key}: ${why}`));
    }
  }

  /** A server that closes an idle connection crosses our next request: that is no failure of the request. */
  #lossCode(request: H2Request): UpstreamFailureCode {
    if (!this.mayHaveDelivered) return "connect-failure";
    return this.#carried > 0 && !request.answerBegun ? "stale" : "reset";
  }

  #gone(reason: CloseReason): void {
    this.#isClosed = true;
    this.cancelDial?.();
    this.cancelDial = undefined;
    this.#options.onClosed(this, reason);
  }
}
