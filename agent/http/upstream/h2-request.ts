/**
 * One request over an HTTP/2 connection to an endpoint.
 *
 *   waiting --the connection has its stream--> ready --sendHead--> a stream of the connection, until both sides are done
 */
import type { Candidate } from "../../../routing/decide-connection.ts";
import { WIRE_CODE } from "../../http2/http2-error.ts";
import type { RequestStream, RequestStreamHandler, ResponseMessage, StreamReset } from "../../http2/request-stream.ts";
import type { Fields } from "../fields.ts";
import type { UpgradedConnection } from "../request-carrier.ts";
import type { RequestHead } from "../request-head.ts";
import type { H2Upstream } from "./h2-upstream.ts";
import { UpstreamFailure } from "./upstream-failure.ts";
import type { UpstreamRequest, UpstreamUser } from "./upstream-request.ts";

const EMPTY = Buffer.alloc(0);
const FIRST_FINAL_STATUS = 200;
const NO_CONTENT = 204;
const NOT_MODIFIED = 304;

export class H2Request implements UpstreamRequest, RequestStreamHandler {
  readonly candidate: Candidate;
  readonly #upstream: H2Upstream;
  #user: UpstreamUser | undefined;
  #stream: RequestStream | undefined;
  #method = "";
  #requestDone = false;
  #answerBegun = false;

  constructor(upstream: H2Upstream, user: UpstreamUser) {
    this.#upstream = upstream;
    this.#user = user;
    this.candidate = upstream.candidate;
  }

  /** The connection can be written to. */
  ready(): void {
    this.#user?.onReady();
  }

  /** Something of the answer has come. */
  get answerBegun(): boolean {
    return this.#answerBegun;
  }

  /** Nothing comes any more. */
  fail(failure: UpstreamFailure): void {
    const user = this.#user;
    this.#user = undefined;
    user?.onFailed(failure);
  }

  // UpstreamRequest.

  get isOpen(): boolean {
    return this.#upstream.isOpen;
  }

  get queuedBytes(): number {
    return this.#stream?.queuedBytes ?? 0;
  }

  get heldBytes(): number {
    return this.#stream === undefined ? 0 : this.#stream.queuedBytes + this.#stream.unreadBytes;
  }

  sendHead(head: RequestHead): void {
    const { method, scheme, authority, path, fields, length, trailersWanted, expectsContinue, hasBody } = head;
    const message = {
      method,
      scheme,
      authority,
      path,
      fields,
      contentLength: length,
      trailersWanted,
      expectsContinue,
    };
    this.#method = method;
    this.#requestDone = !hasBody;
    this.#stream = this.#upstream.open(message, !hasBody, this);
  }

  sendBody(content: Buffer): boolean {
    return this.#stream?.sendData(content, false) ?? true;
  }

  sendEnd(trailers: Fields | undefined): void {
    if (this.#requestDone) return;
    this.#requestDone = true;
    if (trailers !== undefined && trailers.size > 0) this.#stream?.sendTrailers(trailers);
    else this.#stream?.sendData(EMPTY, true);
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  cancel(): void {
    this.#user = undefined;
    this.#stream?.reset(WIRE_CODE.cancel);
    this.#upstream.forget(this);
  }

  finish(): void {
    this.#user = undefined;
    // The server has said all it has to say about this request: it does not need the rest of it.
    if (!this.#requestDone) this.#stream?.reset(WIRE_CODE.cancel);
    this.#upstream.forget(this);
  }

  upgraded(): UpgradedConnection | undefined {
    return undefined;
  }

  // RequestStreamHandler.

  onHeaders({ status, fields, contentLength: length }: ResponseMessage, endStream: boolean): void {
    this.#answerBegun = true;
    const head = { status, reason: undefined, fields, length, upgrade: undefined };
    if (status < FIRST_FINAL_STATUS) this.#user?.onInterim({ ...head, hasBody: false });
    else this.#user?.onHead({ ...head, hasBody: !endStream && mayHaveBody(status, this.#method) });
  }

  onData(chunk: Buffer): void {
    this.#user?.onBody(chunk);
  }

  onEnd(trailers: Fields | undefined): void {
    this.#user?.onEnd(trailers);
  }

  onDrain(): void {
    this.#user?.onDrain();
  }

  onReset(reset: StreamReset): void {
    this.#upstream.forget(this);
    this.fail(this.#failureOf(reset));
  }

  #failureOf({ code, detail, wasRefused, byPeer }: StreamReset): UpstreamFailure {
    const why = `${this.candidate.key}: ${detail}`;
    if (wasRefused) return new UpstreamFailure("refused-stream", why);
    if (byPeer) return new UpstreamFailure("reset", `${why} (code ${code})`, code);
    return this.#upstream.isClosed ? this.#upstream.lossOf(this, why) : new UpstreamFailure("bad-response", why);
  }
}

/** RFC 9110 section 6.4.1. */
function mayHaveBody(status: number, method: string): boolean {
  return method !== "HEAD" && status !== NO_CONTENT && status !== NOT_MODIFIED;
}
