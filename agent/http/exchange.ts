/**
 * One request and its answer.
 *
 *   decided --ours, or nobody could be asked--------------------------> answered by us
 *      \--forward--> waiting --head--> answering: both bodies flow --> over
 *                       \--101--> upgraded: a relay has both ends
 *
 * Exactly one of `finished`, `abort` and `upgrade` of the client ends it, unless the client is gone.
 */
import type { Timer } from "../../core/clock.ts";
import type { HeaderChanges } from "../../protocol/route-table.ts";
import { changeHeaders } from "../../routing/http/change-headers.ts";
import type { ForwardRequest, RespondToRequest } from "../../routing/http/request-decision.ts";
import type { CloseReason } from "../relay/relay.ts";
import { Forwarding, type ForwardingOwner, type ForwardPlan } from "./forwarding.ts";
import { BodyWriter, type WriteBytes } from "./h1/body-writer.ts";
import { FieldError, Fields } from "./h1/fields.ts";
import type { H1Error } from "./h1/h1-error.ts";
import type { RequestHead } from "./h1/request-head.ts";
import type { ResponseHead } from "./h1/response-head.ts";
import { writeResponseHead } from "./h1/write-head.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import { httpLimits } from "./limits.ts";
import {
  connectionFor,
  offeredUpgrade,
  passageOf,
  requestHeadFor,
  responseHeadFor,
  type ResponsePassage,
} from "./outgoing-heads.ts";
import { writeOwnResponse } from "./own-response.ts";
import { type FailureReason, type RequestReason, statusOf } from "./request-failure.ts";
import { RequestReport } from "./request-report.ts";
import type { RequestRouter } from "./request-router.ts";
import type { UpstreamConnection } from "./upstream/upstream-connection.ts";

/** Whose request it is. */
export interface ExchangeClient {
  /** False: wait for `clientDrained`. */
  readonly write: WriteBytes;
  /** No more of the body, for now. */
  pauseRequest(): void;
  resumeRequest(): void;
  /** No request is taken after this one. */
  readonly isLeaving: boolean;
  /** The answer is complete. */
  finished(keepOpen: boolean): void;
  /** The answer cannot be completed. */
  abort(reason: CloseReason, detail: string): void;
  /** The head of the 101 is written; from now on both ends are bytes. `ended` is to be called when they have ended. */
  upgrade(upstream: UpstreamConnection, ended: () => void): void;
}

export interface ExchangeOptions {
  readonly plane: HttpPlane;
  readonly facts: HttpFacts;
  readonly router: RequestRouter;
  readonly client: ExchangeClient;
  readonly head: RequestHead;
}

const NO_CHANGES: readonly HeaderChanges[] = [];
const SWITCHING_PROTOCOLS = 101;
const CONTINUE = 100;

export class Exchange implements ForwardingOwner {
  readonly #options: ExchangeOptions;
  readonly #head: RequestHead;
  readonly #report: RequestReport;
  readonly #answer: BodyWriter;
  #state: "waiting" | "answering" | "over" = "waiting";
  #plan: ForwardPlan | undefined;
  #forwarding: Forwarding | undefined;
  #requestTimer: Timer | undefined;
  #requestEnded = false;
  /** The client was told to go on with its body. */
  #isContinued = false;
  #keepOpen = false;

  constructor(options: ExchangeOptions) {
    const { plane, facts, head, client } = options;
    this.#options = options;
    this.#head = head;
    this.#report = new RequestReport(plane, facts, head);
    this.#answer = new BodyWriter(client.write);
  }

  /** What it makes the agent hold. */
  get heldBytes(): number {
    return this.#forwarding?.heldBytes ?? 0;
  }

  /** The route's bound on silence. */
  get idleMs(): number | undefined {
    return this.#plan?.rule?.timeouts?.idleMs || undefined;
  }

  start(): void {
    const { plane, facts, router } = this.#options;
    const { method, path, authority, fields } = this.#head;
    if (method === "CONNECT") {
      this.onGivenUp("connect-not-supported", "CONNECT would be a tunnel past every route");
      return;
    }
    const decision = router.decide({
      source: facts.source.workload,
      service: facts.service.key,
      port: facts.port,
      scheme: "http",
      method,
      target: path,
      authority,
      headers: fields,
      random: plane.random(),
      mirrorRandom: plane.random(),
    });
    if (decision.kind === "respond") this.#respond(decision);
    else this.#forward(decision.kind === "forward" ? decision : undefined);
  }

  // From the client.

  requestBody(content: Buffer): void {
    if (this.#state === "over") return;
    this.#report.bytesSent += content.length;
    this.#forwarding?.requestBody(content);
  }

  requestEnd(trailers: Fields | undefined): void {
    this.#requestEnded = true;
    if (this.#state !== "over") this.#forwarding?.requestEnd(trailers);
  }

  clientDrained(): void {
    this.#forwarding?.resumeAnswer();
  }

  /** Nobody waits for the answer any more. */
  clientGone(reason: "client-gone" | "aborted", detail: string): void {
    if (this.#state !== "over") this.#conclude(reason, detail);
  }

  /** The rest of the request is no HTTP, or does not come. What the client has been told so far. */
  refuse(error: H1Error): "nothing" | "a part" | "all" {
    if (this.#state === "over") return "all";
    const told = this.#state === "waiting" ? "nothing" : "a part";
    if (told === "nothing") this.#report.status = error.status;
    this.#conclude(error.code, error.message);
    return told;
  }

  // ForwardingOwner.

  /** RFC 9110 section 15.2: passed on, but not to HTTP/1.0, which knows none. */
  onInterim({ status, reason, fields }: ResponseHead): void {
    if (this.#head.minor === 0) return;
    if (status === CONTINUE) this.#isContinued = true;
    const framing = { body: "none", length: undefined } as const;
    if (!this.#options.client.write(writeResponseHead({ status, reason, fields, framing }))) {
      this.#forwarding?.pauseAnswer();
    }
  }

  onAnswer(response: ResponseHead): void {
    if (response.status === SWITCHING_PROTOCOLS) {
      this.#upgrade(response);
      return;
    }
    const { client } = this.#options;
    const passage = passageOf(this.#head, response, !client.isLeaving && !this.#mayWithholdBody);
    const head = this.#responseHead(response, passage);
    if (head === undefined) return;
    this.#state = "answering";
    this.#report.status = response.status;
    this.#keepOpen = passage.keepOpen;
    this.#answer.begin(head, passage.framing.body);
  }

  onBody(content: Buffer): void {
    if (this.#state !== "answering") return;
    this.#report.bytesReceived += content.length;
    if (!this.#answer.write(content)) this.#forwarding?.pauseAnswer();
  }

  onAnswerEnd(trailers: Fields | undefined): void {
    if (this.#state !== "answering") return;
    this.#answer.end(trailers);
    this.#conclude("answered", undefined);
    // What is left of the request would have to be read by nobody.
    this.#options.client.finished(this.#keepOpen && this.#requestEnded);
  }

  onGivenUp(reason: FailureReason, detail: string): void {
    this.#answerOurselves(statusOf(reason), reason, detail, new Fields());
  }

  onCutShort(detail: string): void {
    if (this.#state === "over") return;
    this.#conclude("answer-cut-short", detail);
    this.#options.client.abort("reset-by-peer", detail);
  }

  pauseRequest(): void {
    this.#options.client.pauseRequest();
  }

  resumeRequest(): void {
    if (this.#state !== "over") this.#options.client.resumeRequest();
  }

  // Forwarding.

  /** Without a decision (the route has just gone): to the Service that was dialled. */
  #forward(decision: ForwardRequest | undefined): void {
    const { facts, plane } = this.#options;
    const authority = decision?.authority ?? this.#head.authority;
    const plan: ForwardPlan = {
      target: decision?.backend ?? { service: facts.service.key, port: facts.port },
      rule: decision?.by.rule,
      // HTTP/1.0 may name nobody; HTTP/1.1 may not.
      authority: authority === "" ? facts.dialled : authority,
      path: decision?.target ?? this.#head.path,
      requestHeaders: decision?.requestHeaders ?? NO_CHANGES,
      responseHeaders: decision?.responseHeaders ?? NO_CHANGES,
    };
    this.#plan = plan;
    this.#report.rule = plan.rule;
    this.#report.backend = plan.target.service;
    const headBytes = this.#requestHead(plan);
    if (headBytes === undefined) return;
    const requestMs = plan.rule?.timeouts?.requestMs;
    if (requestMs) this.#requestTimer = plane.clock.after(requestMs, () => this.#timedOut(requestMs));
    this.#forwarding = new Forwarding({ ...this.#options, plan, headBytes, report: this.#report, owner: this });
    this.#forwarding.start();
  }

  #requestHead({ authority, path, requestHeaders }: ForwardPlan): Buffer | undefined {
    const { requestId } = this.#options.plane;
    return this.#filtered(() => requestHeadFor(this.#head, { authority, path, headers: requestHeaders, requestId }));
  }

  #responseHead(response: ResponseHead, passage: ResponsePassage): Buffer | undefined {
    const changes = this.#plan?.responseHeaders ?? NO_CHANGES;
    return this.#filtered(() => responseHeadFor(this.#head, response, changes, passage));
  }

  /** A filter that makes no field is the operator's mistake, and answered as such. */
  #filtered<T>(apply: () => T): T | undefined {
    try {
      return apply();
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      this.onGivenUp("bad-filter", error.message);
      return undefined;
    }
  }

  #timedOut(requestMs: number): void {
    const detail = `no whole answer within ${requestMs} ms`;
    if (this.#state === "waiting") {
      this.onGivenUp("request-timeout", detail);
      return;
    }
    this.#conclude("request-timeout", detail);
    this.#options.client.abort("reset-by-peer", detail);
  }

  #upgrade(response: ResponseHead): void {
    const { client } = this.#options;
    if (offeredUpgrade(this.#head) === undefined || response.upgrade === undefined || !this.#requestEnded) {
      this.onGivenUp("bad-response", "the server goes over to a protocol that nobody offered");
      return;
    }
    const head = this.#responseHead(response, { framing: response.framing, keepOpen: true });
    const forwarding = this.#forwarding;
    if (head === undefined || forwarding === undefined) return;
    const { upstream, ended } = forwarding.handOver();
    if (upstream === undefined) return;
    this.#report.status = response.status;
    client.write(head);
    this.#conclude("upgraded", undefined);
    client.upgrade(upstream, ended);
  }

  // Answers of ours.

  #respond(decision: RespondToRequest): void {
    const { by, backend, code, status, reason } = decision;
    this.#report.rule = by?.rule;
    this.#report.backend = backend?.service;
    const fields = new Fields();
    const areGood = this.#filtered(() => {
      for (const [name, value] of decision.headers) fields.add(name, value);
      changeHeaders(fields, decision.responseHeaders, (value) => fields.add("set-cookie", value));
      return true;
    });
    if (areGood === undefined) return;
    const isFailure = code !== "redirect" && code !== "cors-preflight";
    this.#answerOurselves(status, code, isFailure ? reason : "", fields);
  }

  #answerOurselves(status: number, reason: RequestReason, text: string, fields: Fields): void {
    if (this.#state === "over") return;
    const { client } = this.#options;
    const { method, keepAlive } = this.#head;
    const keepOpen = keepAlive && !client.isLeaving && this.#isRestSmall;
    const connection = connectionFor(this.#head, keepOpen);
    this.#report.status = status;
    client.write(writeOwnResponse({ status, reason, text, fields }, method, connection));
    this.#conclude(reason, text === "" ? undefined : text);
    client.finished(keepOpen);
  }

  /** What is still to come of the request can be read and thrown away. */
  get #isRestSmall(): boolean {
    if (this.#requestEnded) return true;
    const { body, length = 0 } = this.#head.framing;
    return body === "none" || (body === "length" && length <= httpLimits.discardedBytes && !this.#mayWithholdBody);
  }

  /** A client that waits for 100 may send the body or not, once it has its answer: nobody can tell what comes next. */
  get #mayWithholdBody(): boolean {
    return this.#head.expectsContinue && !this.#isContinued && !this.#requestEnded;
  }

  #conclude(reason: RequestReason, detail: string | undefined): void {
    this.#state = "over";
    this.#requestTimer?.cancel();
    this.#forwarding?.drop();
    this.#report.conclude(reason, detail);
  }
}
