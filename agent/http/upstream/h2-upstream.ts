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
import { HawserError } from "../../../core/errors.ts";
import type { Candidate } from "../../../routing/decide-connection.ts";
import { WIRE_CODE } from "../../http2/http2-error.ts";
import { http2Limits } from "../../http2/limits.ts";
import { RequestConnection } from "../../http2/request-connection.ts";
import type {
  ByteTransport,
  ConnectionEnd,
  RequestConnectionEvents,
  RequestMessage,
  RequestStream,
  RequestStreamHandler,
  StreamReset,
} from "../../http2/request-stream.ts";
import type { ByteCounters, CloseReason } from "../../relay/relay.ts";
import { type ClientTunnel, ErrorCode, type TunnelStream } from "../../tunnel/engine.ts";
import { httpLimits } from "../limits.ts";
import { closeReasonOf, type DialledUpstream, dialRefusal, isToLeave } from "./dial-upstream.ts";
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

/** What a server that knows no HTTP/2 says to its preface. */
const H1_ANSWER = Buffer.from("HTTP/1.");

export class H2Upstream implements DialledUpstream, ByteTransport, RequestConnectionEvents {
  readonly candidate: Candidate;
  readonly startedMs: number;
  cancelDial: (() => void) | undefined;
  tunnel: ClientTunnel | undefined;
  readonly #options: H2UpstreamOptions;
  readonly #connection: RequestConnection;
  /** All that are not over, in order: also those that wait for the stream. */
  readonly #requests = new Set<H2Request>();
  #stream: TunnelStream | undefined;
  #counters: ByteCounters = { sentBytes: 0, receivedBytes: 0 };
  #isOpen = false;
  #isClosed = false;
  #isLeaving = false;
  /** What every request fails with. */
  #lossCode: UpstreamFailureCode | undefined;
  /** The server has sent something. */
  #hasSpoken = false;
  /** A request has come to its end on it. */
  #hasCarried = false;
  #idleSinceMs: number;
  /** Requests that we have reset. */
  #resets = 0;

  constructor(options: H2UpstreamOptions) {
    const { candidate, clock } = options;
    this.#options = options;
    this.candidate = candidate;
    this.startedMs = clock.monotonicMs();
    this.#idleSinceMs = this.startedMs;
    this.#connection = new RequestConnection({ role: "client", clock, events: this });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** No request is on it. */
  get isIdle(): boolean {
    return this.#requests.size === 0;
  }

  /** Another request can be given to it. */
  get hasRoom(): boolean {
    if (this.#isClosed || this.#isLeaving || isToLeave(this)) return false;
    if (this.#stream !== undefined) return this.#connection.hasRoom;
    return this.#requests.size < http2Limits.streamsBeforeSettings;
  }

  /** It is new: no request has come to its end on it. */
  get isFresh(): boolean {
    return !this.#hasCarried;
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
    this.#connection.start(this);
    for (const request of [...this.#requests]) request.ready();
  }

  fail(code: UpstreamFailureCode, why: string): void {
    this.#lossCode = code;
    this.#lose(closeReasonOf(code), why);
  }

  /** Takes no more requests, and closes after the last one. */
  leave(): void {
    this.#isLeaving = true;
    if (this.isIdle) this.#close();
  }

  sweep(nowMs: number, idleMs: number): void {
    this.#connection.sweep(nowMs);
    if (this.isIdle && nowMs - this.#idleSinceMs > idleMs) this.#close();
  }

  // What its requests ask for.

  /** Undefined: it is not known yet, `settingsCame` follows. */
  get takesExtendedConnect(): boolean | undefined {
    return this.#connection.takesExtendedConnect;
  }

  open(message: RequestMessage, endStream: boolean, handler: RequestStreamHandler): RequestStream {
    return this.#connection.open(message, endStream, handler);
  }

  /** The request is over; `wasReset`: by us, before its end. */
  forget(request: H2Request, wasReset = false): void {
    if (!this.#requests.delete(request)) return;
    if (wasReset) this.#countReset();
    this.#hasCarried = true;
    this.#idleSinceMs = this.#options.clock.monotonicMs();
    // One that is being dialled is of no use to anybody either.
    if (this.isIdle && (this.#isLeaving || this.#connection.isDraining || !this.#isOpen)) this.#close();
  }

  #countReset(): void {
    this.#resets += 1;
    if (this.#resets !== httpLimits.resetsPerUpstream) return;
    this.#isLeaving = true;
    this.#options.onLimit("resetsPerUpstream");
  }

  failureOf(request: H2Request, { code, detail, wasRefused, byPeer }: StreamReset): UpstreamFailure {
    const why = `${this.candidate.key}: ${detail}`;
    if (this.#lossCode !== undefined) return new UpstreamFailure(this.#lossCode, why);
    if (!this.mayHaveDelivered) return new UpstreamFailure("connect-failure", why);
    if (wasRefused) return new UpstreamFailure("refused-stream", why);
    if (byPeer) return new UpstreamFailure("reset", `${why} (HTTP/2 error code ${code})`, code);
    if (!this.#isClosed) return new UpstreamFailure("bad-response", why);
    // A server that closes an idle connection crosses our next request: that is no failure of the request.
    return new UpstreamFailure(this.#hasCarried && !request.answerBegun ? "stale" : "reset", why);
  }

  // ByteTransport.

  get queuedBytes(): number {
    return this.#stream?.queuedBytes ?? 0;
  }

  write(chunk: Buffer): boolean {
    this.#counters.sentBytes += chunk.length;
    return this.#stream?.write(chunk) ?? true;
  }

  end(): void {
    this.#stream?.end();
  }

  reset(code: number): void {
    this.#stream?.reset(code);
    this.#stream = undefined;
  }

  // RequestConnectionEvents.

  /** Never: the frames of a server that opens streams are refused before. */
  onRequest(stream: RequestStream): RequestStreamHandler {
    throw new HawserError("impossible", `A server opened stream ${stream.id}`);
  }

  onMalformed(): void {}

  onSettings(): void {
    for (const request of [...this.#requests]) request.settingsCame();
  }

  onRoom(): void {}

  onDraining(): void {
    if (this.isIdle) this.#close();
  }

  onLimit(name: string): void {
    this.#options.onLimit(name);
  }

  onClosed({ detail }: ConnectionEnd): void {
    this.#lose("reset-by-peer", detail);
  }

  // StreamHandler.

  onResponse(status: number, reason: string | undefined): void {
    if (this.#isClosed) return;
    const refusal = dialRefusal(status, reason);
    if (refusal === undefined) this.#opened();
    else this.fail(refusal.code, refusal.why);
  }

  onData(chunk: Buffer): void {
    const isFirst = !this.#hasSpoken;
    this.#hasSpoken = true;
    this.#counters.receivedBytes += chunk.length;
    if (isFirst && chunk.subarray(0, H1_ANSWER.length).equals(H1_ANSWER)) {
      this.fail("bad-response", "it answers in HTTP/1.1; say so with appProtocol: http at the port of its Service");
    } else this.#connection.onData(chunk);
  }

  onEnd(): void {
    this.#failedBefore();
    this.#gone("closed");
    this.#connection.onEnd();
    this.#failWaiting("the server closed the connection");
  }

  onDrain(): void {
    this.#connection.onDrain();
  }

  onReset(code: number, reason: string): void {
    this.#stream = undefined;
    if (code === ErrorCode.refusedStream) this.#lossCode ??= "refused-stream";
    this.#failedBefore();
    this.#lose("reset-by-peer", reason);
  }

  /** The server had broken the protocol, and was told: that its connection ends is a consequence. */
  #failedBefore(): void {
    if (!this.#isClosed && this.#connection.state === "closed") this.#lossCode ??= "bad-response";
  }

  #opened(): void {
    const early = this.#counters;
    this.#isOpen = true;
    this.#counters = this.#options.onOpen();
    this.#counters.sentBytes += early.sentBytes;
    this.cancelDial?.();
    this.cancelDial = undefined;
  }

  /** In order: no request is on it. */
  #close(): void {
    if (this.#isClosed) return;
    this.#gone("closed");
    if (this.#isOpen) this.#connection.goaway(false);
    else this.#lose("closed", "nobody waits for it any more");
  }

  /** Requests with a stream are told by the connection. */
  #lose(reason: CloseReason, why: string): void {
    this.#gone(reason);
    this.#connection.lost(why, !this.mayHaveDelivered);
    this.#stream?.reset(ErrorCode.cancel);
    this.#stream = undefined;
    this.#failWaiting(why);
  }

  #failWaiting(why: string): void {
    const reset = { code: WIRE_CODE["refused-stream"], detail: why, wasRefused: true, byPeer: false };
    for (const request of [...this.#requests]) {
      if (request.isWaiting) request.onReset(reset);
    }
  }

  #gone(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.cancelDial?.();
    this.cancelDial = undefined;
    this.#options.onClosed(this, reason);
  }
}
