/**
 * A stream of a pod's HTTP/2 connection: one request and its answer.
 *
 *   request   headers -> data* -> end           what is left when the answer is complete is refused with NO_ERROR
 *   answer    interim* -> headers -> data* -> trailers | end, or a reset: never an end that looks like one in order
 */
import { WIRE_CODE } from "../../http2/http2-error.ts";
import type { RequestMessage, RequestStream, RequestStreamHandler, StreamReset } from "../../http2/request-stream.ts";
import { timers } from "../../limits.ts";
import type { CloseReason } from "../../relay/relay.ts";
import type { ExchangeClient } from "../exchange-client.ts";
import { Exchange, type ExchangeOptions } from "../exchange.ts";
import type { Fields } from "../fields.ts";
import { isGrpc } from "../grpc/is-grpc.ts";
import { httpTimers } from "../limits.ts";
import { type WholeAnswer, writeOwnAnswer } from "../own-answer.ts";
import type { RequestHead } from "../request-head.ts";
import type { UpgradedConnection } from "../request-carrier.ts";
import type { ResponseHead } from "../response-head.ts";
import { connectedFields, isSuccess, openingOf, opensWebSocket } from "../websocket-opening.ts";
import type { OpenStream } from "./open-stream.ts";
import { Stillness } from "./stillness.ts";
import { StreamRelay } from "./stream-relay.ts";

export interface H2ExchangeOptions extends Omit<ExchangeOptions, "client" | "head"> {
  readonly stream: RequestStream;
  readonly request: RequestMessage;
  readonly endStream: boolean;
  /** Of the connection. It is there for as long as it is under way, and what a WebSocket becomes after it. */
  readonly openStreams: Set<OpenStream>;
}

const EMPTY = Buffer.alloc(0);
const OK = 200;
const NO_CONTENT = 204;

export class H2Exchange implements ExchangeClient, OpenStream, RequestStreamHandler {
  readonly #options: H2ExchangeOptions;
  readonly #head: RequestHead;
  readonly #opensWebSocket: boolean;
  readonly #exchange: Exchange;
  #stillness: Stillness<"body" | "answer"> | undefined;
  #movedBytes = 0;
  #requestEnded: boolean;
  #answerEnded = false;
  #isPaused = false;

  constructor(options: H2ExchangeOptions) {
    this.#options = options;
    this.#requestEnded = options.endStream;
    this.#opensWebSocket = opensWebSocket(options.request);
    this.#head = headOf(options);
    this.#exchange = new Exchange({ ...options, client: this, head: this.#head });
  }

  start(): void {
    this.#options.openStreams.add(this);
    // What follows is for the endpoint that accepts it.
    if (this.#opensWebSocket) this.pauseRequest();
    this.#exchange.start();
    if (this.#opensWebSocket) this.#exchange.requestEnd(undefined);
  }

  get heldBytes(): number {
    return this.#exchange.heldBytes;
  }

  sweep(nowMs: number): void {
    this.#stillness ??= new Stillness();
    const waiting = this.#requestEnded || this.#isPaused ? "answer" : "body";
    const waitedMs = this.#stillness.lastedMs(waiting, this.#movedBytes, nowMs);
    // A gRPC client may have nothing to say on its stream for as long as it likes.
    if (waiting === "body" && waitedMs > httpTimers.slowBodyMs && !isGrpc(this.#head)) this.#refuseSlowBody();
    else if (waitedMs > (this.#exchange.idleMs ?? timers.idleConnectionMs)) {
      this.#gone("aborted", "nothing came from either side");
      this.#options.stream.reset(WIRE_CODE.cancel);
    }
  }

  connectionLost(_reason: CloseReason, detail: string): void {
    this.#gone("aborted", detail);
  }

  // ExchangeClient.

  answerInterim({ status, fields }: ResponseHead): boolean {
    this.#options.stream.sendHeaders({ status, fields, length: undefined }, false);
    return true;
  }

  answerHead({ status, fields, length, hasBody }: ResponseHead): void {
    this.#answerEnded = !hasBody;
    this.#options.stream.sendHeaders({ status, fields, length }, !hasBody);
  }

  answerBody(content: Buffer): boolean {
    this.#movedBytes += content.length;
    return this.#options.stream.sendLent(content);
  }

  answerEnd(trailers: Fields | undefined): void {
    const { stream } = this.#options;
    if (!this.#answerEnded) {
      if (trailers !== undefined && trailers.size > 0) stream.sendTrailers(trailers);
      else stream.sendData(EMPTY, true);
    }
    this.#finished();
  }

  answerWhole(answer: WholeAnswer): void {
    const { stream } = this.#options;
    const { head, body } = this.#opensWebSocket && isSuccess(answer.head.status) ? noWebSocket() : answer;
    const { status, fields, length } = head;
    const content = this.#head.method === "HEAD" ? undefined : body;
    stream.sendHeaders({ status, fields, length: status === NO_CONTENT ? undefined : length }, content === undefined);
    if (content !== undefined) stream.sendData(content, true);
    this.#finished();
  }

  /** Only to a WebSocket: HTTP/2 has no other. */
  upgrade(head: ResponseHead, upstream: UpgradedConnection): void {
    const { stream, openStreams } = this.#options;
    stream.sendHeaders({ status: OK, fields: connectedFields(head), length: undefined }, false);
    this.#over();
    const onOver = (over: OpenStream): boolean => openStreams.delete(over);
    const relay = new StreamRelay({ client: stream, clientEnded: this.#requestEnded, upstream, onOver });
    openStreams.add(relay);
    relay.start();
  }

  abort(_reason?: string, _detail?: string, code: number = WIRE_CODE["internal-error"]): void {
    this.#options.stream.reset(code);
    this.#over();
  }

  pauseRequest(): void {
    this.#isPaused = true;
    this.#options.stream.pause();
  }

  resumeRequest(): void {
    if (this.#opensWebSocket) return;
    this.#isPaused = false;
    this.#options.stream.resume();
  }

  // RequestStreamHandler.

  onHeaders(): void {}

  onData(chunk: Buffer): void {
    this.#movedBytes += chunk.length;
    this.#exchange.requestBody(chunk);
  }

  onEnd(trailers: Fields | undefined): void {
    this.#requestEnded = true;
    if (!this.#opensWebSocket) this.#exchange.requestEnd(trailers);
  }

  onDrain(): void {
    this.#exchange.clientDrained();
  }

  onReset({ detail }: StreamReset): void {
    this.#gone("client-gone", detail);
  }

  /** The stream is no more, or is to be no more. */
  #gone(reason: "client-gone" | "aborted", detail: string): void {
    this.#exchange.clientGone(reason, detail);
    this.#over();
  }

  #refuseSlowBody(): void {
    const reason = "slow-body";
    const text = `nothing of the body came for ${httpTimers.slowBodyMs} ms`;
    const status = 408;
    const told = this.#exchange.refuse({ code: reason, status, message: text });
    if (told === "nothing") this.answerWhole(writeOwnAnswer({ status, reason, text }));
    else this.abort();
  }

  #finished(): void {
    this.#answerEnded = true;
    if (!this.#requestEnded) this.#options.stream.stopReading();
    this.#over();
  }

  #over(): void {
    this.#options.openStreams.delete(this);
  }
}

function headOf({ request, endStream }: H2ExchangeOptions): RequestHead {
  if (opensWebSocket(request)) return openingOf(request);
  const { scheme } = request;
  return {
    ...request,
    version: 2,
    scheme: scheme === "https" ? "https" : "http",
    hasBody: !endStream,
    upgrade: undefined,
  };
}

/** Any other 2xx would be the beginning of one. */
function noWebSocket(): WholeAnswer {
  return writeOwnAnswer({ status: 502, reason: "bad-response", text: "there is an answer, but no WebSocket" });
}
