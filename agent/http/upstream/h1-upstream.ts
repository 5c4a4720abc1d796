/**
 * A connection to an endpoint that carries one HTTP/1.1 request after the other: a stream of a tunnel, or a plain dial.
 *
 *   dialled -attach-> attached -200-> open          requests are written as soon as there is a stream, before the 200
 *
 *   idle -begin-> busy -request and response complete, release-> idle
 *                  | \--101, handOver--> raw: a relay has the stream
 *                  \---failure, or anything left over--> closed
 *
 * It is used again only when both messages were complete and the server wants more: what is left of a response would be
 * taken for the next one's.
 */
import type { Clock, Timer } from "../../../core/clock.ts";
import { describeError } from "../../../core/errors.ts";
import type { Candidate } from "../../../routing/decide-connection.ts";
import type { ByteCounters, CloseReason } from "../../relay/relay.ts";
import { type ClientTunnel, ErrorCode, type StreamHandler, type TunnelStream } from "../../tunnel/engine.ts";
import type { Fields } from "../fields.ts";
import { BodyWriter } from "../h1/body-writer.ts";
import { framingFor } from "../h1/framing.ts";
import { H1Error } from "../h1/h1-error.ts";
import { lendText } from "../h1/lend-text.ts";
import { createResponseParser, type MessageParser } from "../h1/message-parser.ts";
import type { H1ResponseHead } from "../h1/response-head.ts";
import { writeRequestHead } from "../h1/write-head.ts";
import { httpTimers } from "../limits.ts";
import type { UpgradedConnection } from "../request-carrier.ts";
import type { RequestHead } from "../request-head.ts";
import { closeReasonOf, type DialledUpstream, dialRefusal } from "./dial-upstream.ts";
import { UpstreamFailure, type UpstreamFailureCode } from "./upstream-failure.ts";
import type { UpstreamRequest, UpstreamUser } from "./upstream-request.ts";

export interface UpstreamOptions {
  readonly candidate: Candidate;
  readonly clock: Clock;
  /** The running totals of what it carries, once it is open. */
  readonly onOpen: () => ByteCounters;
  /** Its user has the whole answer. */
  readonly onFinished: (upstream: H1Upstream) => void;
  /** It was idle, and is of no use any more. */
  readonly onIdleLost: (upstream: H1Upstream) => void;
  /** Once, also when it never opened. */
  readonly onClosed: (upstream: H1Upstream, reason: CloseReason) => void;
}

export class H1Upstream implements DialledUpstream, UpstreamRequest, UpgradedConnection {
  readonly candidate: Candidate;
  /** Whoever is given a body keeps a copy of what it keeps. */
  readonly returnsData = true;
  readonly startedMs: number;
  /** When the pool gives it up. */
  idleUntilMs = 0;
  cancelDial: (() => void) | undefined;
  tunnel: ClientTunnel | undefined;
  readonly #options: UpstreamOptions;
  readonly #parser: MessageParser<H1ResponseHead>;
  readonly #body: BodyWriter;
  #stream: TunnelStream | undefined;
  #user: UpstreamUser | undefined;
  #relay: StreamHandler | undefined;
  #counters: ByteCounters = { sentBytes: 0, receivedBytes: 0 };
  #method = "";
  #isOpen = false;
  #isClosed = false;
  #isReused = false;
  #peerEnded = false;
  #requestDone = true;
  #responseBegun = false;
  #responseDone = true;
  #keepAliveSeconds: number | undefined;
  #trailers: Fields | undefined;
  /** Bytes came behind a response: whose are they? */
  #isTainted = false;
  #lingerTimer: Timer | undefined;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.candidate = options.candidate;
    this.startedMs = options.clock.monotonicMs();
    this.#body = new BodyWriter({ write: (bytes) => this.#write(bytes), writeText: (text) => this.#writeText(text) });
    const sink = {
      onHead: (head: H1ResponseHead) => this.#headRead(head),
      onBody: (content: Buffer) => this.#user?.onBody(content),
      onEnd: (trailers: Fields | undefined) => {
        this.#responseDone = true;
        this.#trailers = trailers;
      },
    };
    this.#parser = createResponseParser(sink, () => this.#method);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What the server said about idle connections, with its last response. */
  get keepAliveSeconds(): number | undefined {
    return this.#keepAliveSeconds;
  }

  get queuedBytes(): number {
    return this.#stream?.queuedBytes ?? 0;
  }

  get heldBytes(): number {
    return this.#parser.heldBytes + this.queuedBytes + (this.#stream?.unreadBytes ?? 0);
  }

  get mayHaveDelivered(): boolean {
    return this.#isOpen || (this.candidate.transport === "tunnel" && this.#counters.sentBytes > 0);
  }

  /** The next request. */
  begin(user: UpstreamUser): void {
    this.#user = user;
    this.#isReused = this.#isOpen;
    this.#requestDone = false;
    this.#responseBegun = false;
    this.#responseDone = false;
    user.onTaken(this);
    if (this.#stream !== undefined) user.onReady();
  }

  attach(stream: TunnelStream): void {
    this.#stream = stream;
    this.#user?.onReady();
  }

  // UpstreamRequest.

  sendHead(head: RequestHead): void {
    const { method, path, authority, fields, upgrade, expectsContinue, trailersWanted } = head;
    const framing = framingFor(head);
    const outgoing = { method, path, authority, fields, framing, upgrade, expectsContinue, trailersWanted };
    this.#method = method;
    this.#body.begin(writeRequestHead(outgoing), framing.body);
  }

  /** False: wait for `onDrain`. */
  sendBody(content: Buffer): boolean {
    return this.#body.write(content);
  }

  sendEnd(trailers: Fields | undefined): void {
    this.#body.end(trailers);
    this.#requestDone = true;
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  cancel(): void {
    this.close("reset-by-pod");
  }

  finish(): void {
    this.#options.onFinished(this);
  }

  upgraded(): UpgradedConnection {
    return this;
  }

  // UpgradedConnection.

  handOver(relay: StreamHandler): { readonly stream: TunnelStream | undefined; readonly counters: ByteCounters } {
    this.#user = undefined;
    this.#relay = relay;
    return { stream: this.#stream, counters: this.#counters };
  }

  relayEnded(reason: CloseReason): void {
    this.#stream = undefined;
    this.#gone(reason);
  }

  // The pool's.

  /** The user has what it wanted. True: the connection can carry another request; else it is closed. */
  release(): boolean {
    this.#user = undefined;
    // Its client may have been slow; nobody reads an idle connection but us, for its end.
    this.resume();
    const isWhole = this.#requestDone && this.#responseDone && !this.#isTainted;
    if (isWhole && !this.#parser.isClosed && !this.#peerEnded) return true;
    this.close("closed");
    return false;
  }

  /** No callback to the user follows. */
  close(reason: CloseReason): void {
    if (this.#isClosed) return;
    const inOrder = this.#isOpen && this.#requestDone && this.#responseDone;
    this.#gone(reason);
    if (inOrder) this.#endStream();
    else this.#dropStream();
  }

  fail(code: UpstreamFailureCode, why: string): void {
    const user = this.#user;
    if (this.#isClosed) return;
    this.#gone(closeReasonOf(code));
    this.#dropStream();
    user?.onFailed(new UpstreamFailure(code, `${this.candidate.key}: ${why}`));
  }

  // StreamHandler.

  onResponse(status: number, reason: string | undefined): void {
    if (this.#isClosed) return;
    const refusal = dialRefusal(status, reason);
    if (refusal === undefined) this.#opened();
    else this.fail(refusal.code, refusal.why);
  }

  onData(chunk: Buffer): void {
    if (this.#relay !== undefined) {
      relayData(this.#relay, chunk);
      return;
    }
    this.#counters.receivedBytes += chunk.length;
    if (this.#isClosed) return;
    if (this.#user === undefined) this.#idleLost();
    else this.#read(chunk);
  }

  onEnd(): void {
    if (this.#relay !== undefined) {
      this.#relay.onEnd();
      return;
    }
    this.#peerEnded = true;
    if (this.#isClosed) this.#forgetStream();
    else if (this.#user === undefined) this.#idleLost();
    else {
      this.#parser.finish();
      if (this.#responseDone) this.#user.onEnd(undefined);
      else this.fail(this.#lossCode(), "the server closed the connection");
    }
  }

  onDrain(): void {
    if (this.#relay !== undefined) this.#relay.onDrain();
    else this.#user?.onDrain();
  }

  onReset(code: number, reason: string): void {
    this.#forgetStream();
    if (this.#relay !== undefined) this.#relay.onReset(code, reason);
    else if (this.#isClosed) return;
    else if (this.#user === undefined) this.#idleLost();
    else this.fail(code === ErrorCode.refusedStream ? "refused-stream" : this.#lossCode(), reason);
  }

  #opened(): void {
    const early = this.#counters;
    this.#isOpen = true;
    this.#counters = this.#options.onOpen();
    this.#counters.sentBytes += early.sentBytes;
    this.cancelDial?.();
    this.cancelDial = undefined;
  }

  #read(chunk: Buffer): void {
    this.#responseBegun = true;
    try {
      const at = this.#parser.read(chunk, 0);
      if (this.#responseDone) this.#responseRead(chunk, at);
    } catch (error) {
      if (!(error instanceof H1Error)) throw error;
      this.fail("bad-response", describeError(error));
    }
  }

  /** Told only now, when it is known whether more came than was asked for. */
  #responseRead(chunk: Buffer, at: number): void {
    const rest = at < chunk.length ? chunk.subarray(at) : undefined;
    if (this.#relay !== undefined) {
      if (rest !== undefined) relayData(this.#relay, rest);
      return;
    }
    this.#isTainted = rest !== undefined;
    this.#user?.onEnd(this.#trailers);
  }

  #headRead(head: H1ResponseHead): void {
    if (head.isInterim) {
      this.#user?.onInterim(head);
      return;
    }
    this.#keepAliveSeconds = head.keepAliveSeconds;
    this.#user?.onHead(head);
  }

  #write(bytes: Buffer): boolean {
    this.#counters.sentBytes += bytes.length;
    return this.#stream?.write(bytes) ?? true;
  }

  #writeText(text: string): boolean {
    this.#counters.sentBytes += text.length;
    return this.#stream?.writeLent(lendText(text)) ?? true;
  }

  /** A server that closes an idle connection crosses our next request: that is no failure of the request. */
  #lossCode(): UpstreamFailureCode {
    if (this.#isReused && !this.#responseBegun) return "stale";
    return this.mayHaveDelivered ? "reset" : "connect-failure";
  }

  #idleLost(): void {
    this.#options.onIdleLost(this);
    this.close("closed");
  }

  #gone(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#user = undefined;
    this.cancelDial?.();
    this.cancelDial = undefined;
    this.#options.onClosed(this, reason);
  }

  /** In order, because nothing is under way; a server that does not answer with its own end is not waited for. */
  #endStream(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.end();
    if (this.#peerEnded) this.#stream = undefined;
    else this.#lingerTimer = this.#options.clock.after(httpTimers.lingerMs, () => this.#dropStream());
  }

  #dropStream(): void {
    const stream = this.#stream;
    this.#forgetStream();
    stream?.reset(ErrorCode.cancel);
  }

  #forgetStream(): void {
    this.#lingerTimer?.cancel();
    this.#lingerTimer = undefined;
    this.#stream = undefined;
  }
}

/** Of what is lent to us. */
function relayData(relay: StreamHandler, chunk: Buffer): void {
  relay.onData(relay.returnsData === true ? chunk : Buffer.from(chunk));
}
