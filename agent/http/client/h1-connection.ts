/**
 * A pod's connection, served request by request.
 *
 *   between requests --first byte--> head --> exchange: body in, answer out --both complete--> between requests
 *          |                          |          |  \--101--> a relay takes the socket over
 *          \---idle, drain, FIN---\   | refused  \--last answer, or nothing can follow
 *                                  v  v                v
 *                                 closed <--FIN, 2 s-- lingering: FIN sent, what still comes is thrown away
 *
 * One exchange at a time: answers leave in the order of the requests. What a client sends ahead is held, up to a bound. It
 * is read on meanwhile, because its FIN is how a client says that it does not wait any more; only when it has said that this
 * request is its last may a FIN be just that.
 */
import type { Socket } from "node:net";
import { limits, timers } from "../../limits.ts";
import type { CloseReason } from "../../relay/relay.ts";
import { readIntoShared } from "../../sockets/read-into-shared.ts";
import { resetSocket, resetWhenClosed } from "../../sockets/reset-socket.ts";
import type { LiveConnection } from "../../worker/connection-registry.ts";
import type { ExchangeClient } from "../exchange-client.ts";
import { Exchange } from "../exchange.ts";
import type { Fields } from "../fields.ts";
import { AnswerWriter } from "../h1/answer-writer.ts";
import { H1Error } from "../h1/h1-error.ts";
import { createRequestParser, type MessageParser, type MessageSink } from "../h1/message-parser.ts";
import type { H1RequestHead } from "../h1/request-head.ts";
import type { HttpFacts, HttpPlane } from "../http-plane.ts";
import { httpLimits, httpTimers } from "../limits.ts";
import { writeOwnAnswer, type WholeAnswer } from "../own-answer.ts";
import type { UpgradedConnection } from "../request-carrier.ts";
import type { RequestRouter } from "../request-router.ts";
import type { ResponseHead } from "../response-head.ts";
import type { ClientConnectionOptions } from "./http-connection.ts";
import { logClientConnection } from "./log-client-connection.ts";
import { relayUpgraded } from "./relay-upgraded.ts";
import { SocketTarget } from "./socket-target.ts";
import { Stillness } from "./stillness.ts";

const NOTHING = Buffer.alloc(0);

type State = "serving" | "lingering" | "upgraded" | "closed";
/** What a sweep finds it waiting for. */
type Waiting = "request" | "head" | "body" | "answer" | "end";

export class H1Connection implements LiveConnection, ExchangeClient, MessageSink<H1RequestHead> {
  readonly #plane: HttpPlane;
  readonly #socket: Socket;
  readonly #facts: HttpFacts;
  readonly #router: RequestRouter;
  readonly #parser: MessageParser<H1RequestHead>;
  readonly #target: SocketTarget;
  readonly #answers: AnswerWriter;
  readonly #startedMs: number;
  #state: State = "serving";
  #exchange: Exchange | undefined;
  #head: H1RequestHead | undefined;
  /** The answer of the present exchange is out, its request is not in yet. */
  #isDiscarding = false;
  #isReading = false;
  #isPaused = false;
  #clientEnded = false;
  /** Sent ahead of its turn. */
  #ahead: Buffer[] = [];
  #aheadBytes = 0;
  #sentBytes = 0;
  #requests = 0;
  #lingeredBytes = 0;
  readonly #stillness = new Stillness<Waiting>();
  #reason: CloseReason = "closed";
  #detail: string | undefined;
  readonly #listeners = {
    data: (chunk: Buffer): void => this.#data(chunk),
    end: (): void => this.#ended(),
    drain: (): void => this.#drained(),
    error: (error: Error): void => this.#lost(error.message),
    close: (): void => this.#closed(),
  };

  constructor({ plane, socket, facts, router, startedMs }: ClientConnectionOptions) {
    this.#plane = plane;
    this.#socket = socket;
    this.#facts = facts;
    this.#router = router;
    this.#parser = createRequestParser(this);
    this.#target = new SocketTarget(socket, plane.writes);
    this.#answers = new AnswerWriter(this.#target);
    this.#startedMs = startedMs;
  }

  /** `first`: what was read to tell the version. */
  start(first: Buffer): void {
    this.#plane.connections.add(this, this.#facts.source.address);
    resetWhenClosed(this.#socket, true);
    for (const [event, listener] of Object.entries(this.#listeners)) this.#socket.on(event, listener);
    readIntoShared(this.#socket, this.#listeners.data);
    this.#data(first);
  }

  // LiveConnection.

  get heldBytes(): number {
    const own = this.#socket.writableLength + this.#aheadBytes + this.#parser.heldBytes;
    return own + (this.#exchange?.heldBytes ?? 0);
  }

  abort(reason: CloseReason, detail?: string): void {
    if (this.#state === "closed") return;
    this.#fail(reason, detail);
    this.#endExchange("aborted", detail ?? reason);
    resetSocket(this.#socket);
  }

  /** No request after the present one; without one, the end. */
  drain(): void {
    if (this.#state === "serving" && this.#isIdle) this.#linger();
  }

  sweep(nowMs: number): void {
    const waiting = this.#waitsFor();
    // A head is given its time as a whole, anything else begins anew with each byte.
    const mark = waiting === "head" ? this.#requests : this.#sentBytes + this.#target.bytes;
    this.#waited(waiting, this.#stillness.lastedMs(waiting, mark, nowMs));
  }

  // ExchangeClient.

  answerInterim(head: ResponseHead): boolean {
    return this.#answers.interim(head);
  }

  answerHead(head: ResponseHead): void {
    this.#answers.head(head, this.#isLeaving);
  }

  answerBody(content: Buffer): boolean {
    return this.#answers.body(content);
  }

  answerEnd(trailers: Fields | undefined): void {
    this.#finished(this.#answers.end(trailers));
  }

  answerWhole(answer: WholeAnswer): void {
    this.#finished(this.#answers.whole(answer, this.#isLeaving));
  }

  pauseRequest(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resumeRequest(): void {
    this.#isPaused = false;
    this.#resumeReading();
  }

  upgrade(head: ResponseHead, upstream: UpgradedConnection): void {
    this.#answers.upgrade(head);
    this.#exchange = undefined;
    this.#state = "upgraded";
    for (const [event, listener] of Object.entries(this.#listeners)) this.#socket.off(event, listener);
    relayUpgraded({
      plane: this.#plane,
      facts: this.#facts,
      socket: this.#socket,
      upstream,
      ahead: this.#ahead,
      onClosed: (relay, reason, detail) => {
        this.#fail(reason, detail);
        this.#sentBytes += relay.sentBytes;
        this.#target.bytes += relay.receivedBytes;
        this.#log();
      },
    });
    this.#plane.connections.remove(this);
  }

  // MessageSink: what the parser finds.

  onHead(head: H1RequestHead): void {
    this.#requests += 1;
    this.#head = head;
    this.#answers.begin(head);
    const { plane, facts, router } = { plane: this.#plane, facts: this.#facts, router: this.#router };
    this.#exchange = new Exchange({ plane, facts, router, client: this, head });
    this.#exchange.start();
  }

  /** What was read is lent, and whoever carries a body may keep it. */
  onBody(content: Buffer): void {
    this.#exchange?.requestBody(Buffer.from(content));
  }

  onEnd(trailers: Fields | undefined): void {
    this.#answers.requestEnded();
    if (this.#isDiscarding) {
      this.#isDiscarding = false;
      this.#nextRequest();
    } else this.#exchange?.requestEnd(trailers);
  }

  // The socket.

  /** No request is taken after the present one. */
  get #isLeaving(): boolean {
    return this.#plane.connections.isDraining || this.#clientEnded;
  }

  /** The chunk is valid until this returns. */
  #data(chunk: Buffer): void {
    this.#sentBytes += chunk.length;
    if (this.#state === "lingering") {
      this.#throwAway(chunk.length);
      return;
    }
    const rest = this.#mayRead ? this.#read(chunk) : chunk;
    if (rest.length > 0) this.#hold(Buffer.from(rest));
  }

  /** What comes is due: the rest of the present request, or another one of a client that reads its answers. */
  get #mayRead(): boolean {
    if (this.#state !== "serving" || this.#aheadBytes > 0) return false;
    if (this.#parser.isMidMessage) return true;
    return this.#exchange === undefined && this.#socket.writableLength <= limits.socketBufferBytes;
  }

  get #isIdle(): boolean {
    return this.#exchange === undefined && !this.#parser.isMidMessage && this.#aheadBytes === 0;
  }

  /** What is not due yet. */
  #read(chunk: Buffer): Buffer {
    let at = 0;
    this.#isReading = true;
    try {
      while (at < chunk.length && this.#mayRead) at = this.#parser.read(chunk, at);
    } catch (error) {
      if (!(error instanceof H1Error)) throw error;
      this.#refuse(error);
    } finally {
      this.#isReading = false;
    }
    return at < chunk.length && this.#state === "serving" ? chunk.subarray(at) : NOTHING;
  }

  #hold(chunk: Buffer): void {
    this.#ahead.push(chunk);
    this.#aheadBytes += chunk.length;
    if (this.#aheadBytes < httpLimits.pipelinedBytes) return;
    this.#plane.metrics.limitHit("pipelinedBytes");
    this.#socket.pause();
  }

  /** The answer is complete. */
  #finished(keepOpen: boolean): void {
    this.#isPaused = false;
    if (!keepOpen) {
      this.#exchange = undefined;
      this.#linger();
      return;
    }
    if (this.#parser.isMidMessage) {
      this.#isDiscarding = true;
      this.#resumeReading();
    } else this.#nextRequest();
  }

  /** The exchange is over. */
  #nextRequest(): void {
    this.#exchange = undefined;
    this.#head = undefined;
    this.#answers.begin(undefined);
    if (this.#isLeaving) this.#linger();
    // Whoever reads now goes on by itself.
    if (!this.#isReading) this.#readAhead();
    this.#resumeReading();
  }

  #readAhead(): void {
    if (this.#aheadBytes === 0) return;
    const chunk = this.#ahead.length === 1 ? (this.#ahead[0] as Buffer) : Buffer.concat(this.#ahead);
    this.#ahead = [];
    this.#aheadBytes = 0;
    const rest = this.#read(chunk);
    if (rest.length > 0) this.#hold(rest);
  }

  #resumeReading(): void {
    if (this.#aheadBytes < httpLimits.pipelinedBytes) this.#socket.resume();
  }

  #drained(): void {
    if (this.#exchange !== undefined) this.#exchange.clientDrained();
    else if (this.#state === "serving") {
      this.#readAhead();
      this.#resumeReading();
    }
  }

  #ended(): void {
    this.#clientEnded = true;
    if (this.#state === "lingering") {
      this.#socket.destroy();
      return;
    }
    const isLast = this.#head?.keepAlive === false && !this.#parser.isMidMessage;
    if (this.#exchange !== undefined && !isLast) this.#lost("the client closed the connection");
    else if (this.#exchange === undefined) this.#linger();
  }

  #lost(detail: string): void {
    if (this.#state === "closed") return;
    if (this.#exchange !== undefined) this.#fail("reset-by-pod", detail);
    this.#endExchange("client-gone", detail);
    this.#socket.destroy();
  }

  #closed(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#endExchange("client-gone", "the client closed the connection");
    this.#plane.connections.remove(this);
    this.#log();
  }

  #endExchange(reason: "client-gone" | "aborted", detail: string): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.clientGone(reason, detail);
  }

  // Refusals and ends.

  /** What came cannot be told apart into requests any more. */
  #refuse(error: H1Error): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#fail("refused", `${error.code}: ${error.message}`);
    this.#plane.metrics.refused(error.code);
    const told = exchange === undefined ? "nothing" : exchange.refuse(error);
    if (told === "nothing") {
      const { status, code: reason, message: text } = error;
      this.#answers.whole(writeOwnAnswer({ status, reason, text }), true);
    }
    // In the middle of an answer there is no place for another one.
    if (told === "a part") resetSocket(this.#socket);
    else this.#linger();
  }

  /** The last byte is written. Closing now could destroy it on its way, if the client still sends. */
  #linger(): void {
    if (this.#state !== "serving") return;
    this.#state = "lingering";
    this.#ahead = [];
    this.#aheadBytes = 0;
    this.#plane.writes.flush();
    resetWhenClosed(this.#socket, false);
    this.#socket.end();
    this.#socket.resume();
  }

  #throwAway(bytes: number): void {
    this.#lingeredBytes += bytes;
    if (this.#lingeredBytes <= httpLimits.lingerBytes) return;
    this.#plane.metrics.limitHit("lingerBytes");
    this.#socket.destroy();
  }

  // Time.

  #waitsFor(): Waiting {
    if (this.#state !== "serving") return "end";
    if (this.#exchange === undefined) return this.#parser.isMidMessage ? "head" : "request";
    return this.#parser.isMidMessage && !this.#isPaused ? "body" : "answer";
  }

  #waited(waiting: Waiting, waitedMs: number): void {
    if (waiting === "request" && waitedMs > httpTimers.idleClientMs) this.#linger();
    else if (waiting === "head" && waitedMs > httpTimers.slowHeadMs) {
      this.#refuse(new H1Error("slow-head", `no whole head came within ${httpTimers.slowHeadMs} ms`));
    } else if (waiting === "body" && waitedMs > httpTimers.slowBodyMs) {
      this.#refuse(new H1Error("slow-body", `nothing of the body came for ${httpTimers.slowBodyMs} ms`));
    } else if (waiting === "answer" && waitedMs > (this.#exchange?.idleMs ?? timers.idleConnectionMs)) {
      this.abort("idle-timeout", "nothing came from either side");
    } else if (waiting === "end" && waitedMs > httpTimers.lingerMs) this.#socket.destroy();
  }

  /** The first reason is the cause, later ones are consequences. */
  #fail(reason: CloseReason, detail: string | undefined): void {
    if (this.#reason !== "closed") return;
    this.#reason = reason;
    this.#detail = detail;
  }

  #log(): void {
    logClientConnection(this.#plane, this.#facts, {
      startedMs: this.#startedMs,
      requests: this.#requests,
      bytesSent: this.#sentBytes,
      bytesReceived: this.#target.bytes,
      reason: this.#reason,
      detail: this.#detail,
    });
  }
}
