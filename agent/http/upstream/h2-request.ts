/**
 * One request over an HTTP/2 connection to an endpoint.
 *
 *   waiting --the connection has its stream--> ready --sendHead--> a stream of the connection, until both sides are done
 *                                                  \-- of a WebSocket: first the server says that it takes them --/
 */
import type { Candidate } from "../../../routing/decide-connection.ts";
import { Http2Error, WIRE_CODE } from "../../http2/http2-error.ts";
import type {
  RequestMessage,
  RequestStream,
  RequestStreamHandler,
  ResponseMessage,
  StreamReset,
} from "../../http2/request-stream.ts";
import type { Fields } from "../fields.ts";
import type { UpgradedConnection } from "../request-carrier.ts";
import type { RequestHead } from "../request-head.ts";
import { connectOf, isOpening, isSuccess, switchedBy } from "../websocket-opening.ts";
import type { H2Upstream } from "./h2-upstream.ts";
import { H2WebSocket } from "./h2-websocket.ts";
import { UpstreamFailure } from "./upstream-failure.ts";
import type { UpstreamRequest, UpstreamUser } from "./upstream-request.ts";

const EMPTY = Buffer.alloc(0);
const REFUSED: StreamReset = {
  code: WIRE_CODE["refused-stream"],
  detail: "no room for another stream",
  wasRefused: true,
  byPeer: false,
};
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
  /** Of a WebSocket. */
  #opening: RequestHead | undefined;
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

  /** The server has said what it takes. */
  settingsCame(): void {
    if (this.#opening !== undefined && this.#stream === undefined) this.#openWebSocket(this.#opening);
  }

  /** Something of the answer has come. */
  get answerBegun(): boolean {
    return this.#answerBegun;
  }

  /** It has no stream yet. */
  get isWaiting(): boolean {
    return this.#stream === undefined;
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
    this.#method = head.method;
    this.#requestDone = !head.hasBody;
    if (isOpening(head)) this.#openWebSocket(head);
    else this.#open(head, !head.hasBody);
  }

  #openWebSocket(head: RequestHead): void {
    this.#opening = head;
    const isTaken = this.#upstream.takesExtendedConnect;
    if (isTaken === true) this.#open(connectOf(head), false);
    else if (isTaken === false) queueMicrotask(() => this.#refuseWebSocket());
  }

  #open(message: RequestMessage, endStream: boolean): void {
    try {
      this.#stream = this.#upstream.open(message, endStream, this);
    } catch (error) {
      if (!(error instanceof Http2Error)) throw error;
      // The server takes fewer than it was given meanwhile.
      queueMicrotask(() => this.onReset(REFUSED));
    }
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
    this.#upstream.forget(this, this.#stream !== undefined);
  }

  finish(): void {
    this.#user = undefined;
    // The server has said all it has to say about this request: it does not need the rest of it.
    const isReset = !this.#requestDone || this.#opening !== undefined;
    if (isReset) this.#stream?.reset(WIRE_CODE.cancel);
    this.#upstream.forget(this, isReset);
  }

  upgraded(): UpgradedConnection | undefined {
    const stream = this.#stream;
    if (this.#opening === undefined || stream === undefined) return undefined;
    this.#user = undefined;
    return new H2WebSocket(stream, () => this.#upstream.forget(this));
  }

  // RequestStreamHandler.

  onHeaders({ status, fields, length }: ResponseMessage, endStream: boolean): void {
    this.#answerBegun = true;
    const head = { status, reason: undefined, fields, length, upgrade: undefined };
    if (status < FIRST_FINAL_STATUS) this.#user?.onInterim({ ...head, hasBody: false });
    else if (this.#opening !== undefined && isSuccess(status)) this.#user?.onHead(switchedBy(fields, this.#opening));
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
    const user = this.#user;
    this.#user = undefined;
    this.#upstream.forget(this);
    user?.onFailed(this.#upstream.failureOf(this, reset));
  }

  #refuseWebSocket(): void {
    // Said otherwise at once.
    if (this.#stream !== undefined) return;
    const user = this.#user;
    this.#user = undefined;
    this.#upstream.forget(this);
    const why =
      "speaks HTTP/2 without WebSockets (RFC 8441); if it has them in HTTP/1.1, give them a port with appProtocol: ws";
    user?.onFailed(new UpstreamFailure("websocket-not-supported", `${this.candidate.key}: ${why}`));
  }
}

/** RFC 9110 section 6.4.1. */
function mayHaveBody(status: number, method: string): boolean {
  return method !== "HEAD" && status !== NO_CONTENT && status !== NOT_MODIFIED;
}
