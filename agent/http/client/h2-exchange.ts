/**
 * A stream of a pod's HTTP/2 connection: one request and its answer.
 *
 *   request   headers -> data* -> end           what is left when the answer is complete is refused with NO_ERROR
 *   answer    interim* -> headers -> data* -> trailers | end, or a reset: never an end that looks like one in order
 */
import { WIRE_CODE } from "../../http2/http2-error.ts";
import type { RequestMessage, RequestStream, RequestStreamHandler, StreamReset } from "../../http2/request-stream.ts";
import { timers } from "../../limits.ts";
import type { ExchangeClient } from "../exchange-client.ts";
import { Exchange, type ExchangeOptions } from "../exchange.ts";
import type { Fields } from "../fields.ts";
import { isGrpc } from "../grpc/is-grpc.ts";
import { httpTimers } from "../limits.ts";
import { type WholeAnswer, writeOwnAnswer } from "../own-answer.ts";
import type { RequestHead } from "../request-head.ts";
import type { ResponseHead } from "../response-head.ts";
import { Stillness } from "./stillness.ts";

export interface H2ExchangeOptions extends Omit<ExchangeOptions, "client" | "head"> {
  readonly stream: RequestStream;
  readonly request: RequestMessage;
  readonly endStream: boolean;
  readonly onOver: (exchange: H2Exchange) => void;
}

const EMPTY = Buffer.alloc(0);
const NO_CONTENT = 204;

export class H2Exchange implements ExchangeClient, RequestStreamHandler {
  readonly #options: H2ExchangeOptions;
  readonly #head: RequestHead;
  readonly #exchange: Exchange;
  #stillness: Stillness<"body" | "answer"> | undefined;
  #movedBytes = 0;
  #requestEnded: boolean;
  #answerEnded = false;
  #isPaused = false;
  #isOver = false;

  constructor(options: H2ExchangeOptions) {
    this.#options = options;
    this.#requestEnded = options.endStream;
    this.#head = headOf(options);
    this.#exchange = new Exchange({ ...options, client: this, head: this.#head });
  }

  start(): void {
    this.#exchange.start();
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
      this.gone("aborted", "nothing came from either side");
      this.#options.stream.reset(WIRE_CODE.cancel);
    }
  }

  /** The stream is no more, or is to be no more. */
  gone(reason: "client-gone" | "aborted", detail: string): void {
    this.#exchange.clientGone(reason, detail);
    this.#over();
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
    return this.#options.stream.sendData(content, false);
  }

  answerEnd(trailers: Fields | undefined): void {
    const { stream } = this.#options;
    if (!this.#answerEnded) {
      if (trailers !== undefined && trailers.size > 0) stream.sendTrailers(trailers);
      else stream.sendData(EMPTY, true);
    }
    this.#finished();
  }

  answerWhole({ head, body }: WholeAnswer): void {
    const { stream } = this.#options;
    const { status, fields, length } = head;
    const content = this.#head.method === "HEAD" ? undefined : body;
    stream.sendHeaders({ status, fields, length: status === NO_CONTENT ? undefined : length }, content === undefined);
    if (content !== undefined) stream.sendData(content, true);
    this.#finished();
  }

  /** HTTP/2 has no 101: nobody offered to go over to anything. */
  upgrade(): void {
    this.abort();
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
    this.#exchange.requestEnd(trailers);
  }

  onDrain(): void {
    this.#exchange.clientDrained();
  }

  onReset({ detail }: StreamReset): void {
    this.gone("client-gone", detail);
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
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onOver(this);
  }
}

function headOf({ request, endStream }: H2ExchangeOptions): RequestHead {
  const { scheme } = request;
  return {
    ...request,
    version: 2,
    scheme: scheme === "https" ? "https" : "http",
    hasBody: !endStream,
    upgrade: undefined,
  };
}
