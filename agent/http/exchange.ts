/**
 * One request and its answer, whatever version of HTTP they come and leave in. The layers, top to bottom:
 *
 *   decision     what the routes say: an answer of ours, or where it goes      routing/http, RequestRouter
 *   admission    whether it may go: now, later, or not                         admission.ts
 *   carrier      what gets it answered: one forwarding, or more around it      carry-request.ts
 *   forwarding   tries, each at an endpoint                                    forwarding.ts
 *   upstream     one request over a connection to an endpoint                  upstream/upstream-request.ts
 *
 *   decided --ours, or nobody could be asked-------------------> answered by us
 *      \--forward--> waiting --head--> answering: both bodies flow --> over
 *                       \--101--> upgraded: a relay has both ends
 */
import type { Timer } from "../../core/clock.ts";
import type { Fallback, HeaderField, RouteRule } from "../../protocol/route-table.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import { changeHeaders } from "../../routing/http/change-headers.ts";
import type { ForwardRequest, RespondToRequest } from "../../routing/http/request-decision.ts";
import type { RequestFacts } from "../../routing/http/request-facts.ts";
import type { Admission, AdmissionAsker, Refusal } from "./admission.ts";
import { carryRequest } from "./carry-request.ts";
import type { ExchangeClient } from "./exchange-client.ts";
import { FieldError, Fields } from "./fields.ts";
import { type ForwardPlan, planForward } from "./forward-plan.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import { outgoingRequest, outgoingResponse } from "./outgoing-heads.ts";
import { type WholeAnswer, writeOwnAnswer } from "./own-answer.ts";
import type { BoundedOwner, TooLarge } from "./protect/bounded-carrier.ts";
import type { RequestCarrier, UpgradedConnection } from "./request-carrier.ts";
import { FallbackRequest } from "./resilience/fallback-request.ts";
import { type FailureReason, type RequestReason, statusOf } from "./request-failure.ts";
import type { RequestHead } from "./request-head.ts";
import { RequestReport } from "./request-report.ts";
import type { RequestRouter } from "./request-router.ts";
import type { ResponseHead } from "./response-head.ts";

export interface ExchangeOptions {
  readonly plane: HttpPlane;
  readonly facts: HttpFacts;
  readonly router: RequestRouter;
  readonly client: ExchangeClient;
  readonly head: RequestHead;
}

/** Why the rest of a request is not read. */
export interface RequestFault {
  readonly code: RequestReason;
  /** What a client is told that was told nothing yet. */
  readonly status: number;
  readonly message: string;
}

const SWITCHING_PROTOCOLS = 101;

export class Exchange implements BoundedOwner, AdmissionAsker {
  readonly #options: ExchangeOptions;
  readonly #report: RequestReport;
  #state: "waiting" | "answering" | "over" = "waiting";
  #plan: ForwardPlan | undefined;
  /** As it goes out. */
  #outgoing: RequestHead | undefined;
  #admission: Admission | undefined;
  #carrier: RequestCarrier | undefined;
  #fallback: FallbackRequest | undefined;
  #requestTimer: Timer | undefined;
  #requestEnded = false;

  constructor(options: ExchangeOptions) {
    const { plane, facts, head } = options;
    this.#options = options;
    this.#report = new RequestReport(plane, facts, head);
  }

  /** What it makes the agent hold. */
  get heldBytes(): number {
    return this.#carrier?.heldBytes ?? 0;
  }

  /** The route's bound on silence. */
  get idleMs(): number | undefined {
    return this.#plan?.rule?.timeouts?.idleMs || undefined;
  }

  start(): void {
    if (this.#options.head.method === "CONNECT") {
      this.onGivenUp("connect-not-supported", "CONNECT would be a tunnel past every route");
      return;
    }
    const request = this.#requestFacts();
    const decision = this.#options.router.decide(request);
    if (decision.kind === "respond") this.#respond(decision);
    else this.#forward(decision.kind === "forward" ? decision : undefined, request);
  }

  // From the client.

  requestBody(content: Buffer): void {
    if (this.#state === "over") return;
    this.#report.bytesSent += content.length;
    this.#carrier?.requestBody(content);
    this.#fallback?.requestBody(content);
  }

  requestEnd(trailers: Fields | undefined): void {
    this.#requestEnded = true;
    if (this.#state === "over") return;
    this.#carrier?.requestEnd(trailers);
    this.#fallback?.requestEnd(trailers);
  }

  clientDrained(): void {
    this.#carrier?.resumeAnswer();
  }

  /** Nobody waits for the answer any more. */
  clientGone(reason: "client-gone" | "aborted", detail: string): void {
    if (this.#state !== "over") this.#conclude(reason, detail);
  }

  /** The rest of the request is no HTTP, or does not come. What the client has been told so far. */
  refuse({ code, status, message }: RequestFault): "nothing" | "a part" | "all" {
    if (this.#state === "over") return "all";
    const extent = this.#state === "waiting" ? "nothing" : "a part";
    if (extent === "nothing") this.#report.status = status;
    this.#conclude(code, message);
    return extent;
  }

  // AdmissionAsker.

  admitted(): void {
    if (this.#state !== "over") this.#carrier?.start();
  }

  refused({ reason, status, text, headers = [] }: Refusal): void {
    this.#answerOurselves(status, reason, text, fieldsOf(headers));
  }

  // CarrierOwner.

  onInterim(head: ResponseHead): void {
    if (!this.#options.client.answerInterim(head)) this.#carrier?.pauseAnswer();
  }

  onAnswer(response: ResponseHead): void {
    if (response.status === SWITCHING_PROTOCOLS) {
      this.#upgrade(response);
      return;
    }
    if (this.#fallsBack(response.status, "answered", `answer ${response.status}`)) return;
    this.#fallback?.answered(response);
    const head = this.#outgoingAnswer(response);
    if (head === undefined) return;
    this.#state = "answering";
    this.#report.status = head.status;
    this.#admission?.answered?.({ reason: "answered", status: head.status });
    this.#options.client.answerHead(head);
  }

  onBody(content: Buffer): void {
    if (this.#state !== "answering") return;
    this.#report.bytesReceived += content.length;
    this.#fallback?.answerBody(content);
    if (!this.#options.client.answerBody(content)) this.#carrier?.pauseAnswer();
  }

  onAnswerEnd(trailers: Fields | undefined): void {
    if (this.#state !== "answering") return;
    this.#fallback?.answerEnd();
    this.#conclude(this.#fallback?.isUsed === true ? "fallback" : "answered", undefined);
    this.#options.client.answerEnd(trailers);
  }

  onGivenUp(reason: FailureReason, detail: string): void {
    this.#answerOurselves(statusOf(reason), reason, detail, new Fields());
  }

  onCutShort(detail: string): void {
    this.#cutShort("answer-cut-short", detail);
  }

  pauseRequest(): void {
    this.#options.client.pauseRequest();
  }

  resumeRequest(): void {
    if (this.#state !== "over") this.#options.client.resumeRequest();
  }

  // BoundedOwner.

  onTooLarge(reason: TooLarge, detail: string): void {
    if (this.#state === "waiting") this.onGivenUp(reason, detail);
    else this.#cutShort(reason, detail);
  }

  // Down the layers.

  #requestFacts(): RequestFacts {
    const { plane, facts, router, head } = this.#options;
    return {
      source: facts.source.workload,
      identity: router.identity,
      service: facts.service.key,
      port: facts.port,
      scheme: head.scheme,
      method: head.method,
      target: head.path,
      authority: head.authority,
      headers: head.fields,
      random: plane.drawShare(),
      mirrorRandom: plane.random(),
    };
  }

  #forward(decision: ForwardRequest | undefined, request: RequestFacts): void {
    const { facts, plane, head } = this.#options;
    const plan = planForward(decision, head, facts);
    this.#plan = plan;
    this.#report.rule = plan.rule;
    this.#report.backend = plan.target.service;
    const outgoing = this.#filtered(() => outgoingRequest(head, plan, plane.requestId));
    if (outgoing === undefined) return;
    this.#outgoing = outgoing;
    this.#startTimer();
    const options = { ...this.#options, plan, head: outgoing, report: this.#report, owner: this };
    if (plan.rule?.fallback !== undefined) this.#fallback = new FallbackRequest(options, plan.rule.fallback);
    const verdict = plane.admission?.ask({ facts, plan, head, request }, this);
    if (verdict !== undefined && "status" in verdict) {
      this.refused(verdict);
      return;
    }
    this.#admission = verdict;
    const { pace, mustWait = false } = verdict ?? {};
    this.#carrier = carryRequest({ ...options, pace });
    if (!mustWait) this.#carrier.start();
  }

  #startTimer(): void {
    const requestMs = this.#plan?.rule?.timeouts?.requestMs;
    if (requestMs) this.#requestTimer = this.#options.plane.clock.after(requestMs, () => this.#timedOut(requestMs));
  }

  #outgoingAnswer(response: ResponseHead): ResponseHead | undefined {
    return this.#filtered(() => {
      const head = outgoingResponse(response, this.#plan?.responseHeaders ?? []);
      if (this.#fallback?.isUsed === true) head.fields.set("hawser-reason", "fallback");
      else if (this.#plan?.rule?.session !== undefined) this.#beginSession(this.#plan, this.#plan.rule, head.fields);
      return head;
    });
  }

  /** A client that came to its session's endpoint knows it already. */
  #beginSession(plan: ForwardPlan, rule: RouteRule, fields: Fields): void {
    const { endpoint } = this.#report;
    const { sessions } = this.#options.plane;
    if (endpoint === undefined || (plan.endpoint !== undefined && isSameEndpoint(endpoint, plan.endpoint))) return;
    const field = sessions.begin(rule, plan.target, endpoint);
    if (field !== undefined) fields.add(...field);
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

  #upgrade(response: ResponseHead): void {
    if (this.#outgoing?.upgrade === undefined || response.upgrade === undefined || !this.#requestEnded) {
      this.onGivenUp("bad-response", "the server goes over to a protocol that nobody offered");
      return;
    }
    const head = this.#outgoingAnswer(response);
    const upstream = head === undefined ? undefined : this.#carrier?.handOver();
    if (head === undefined || upstream === undefined) return;
    this.#report.status = head.status;
    this.#conclude("upgraded", undefined);
    this.#options.client.upgrade(head, this.#admission === undefined ? upstream : watched(upstream, this.#admission));
  }

  // Ends.

  #timedOut(requestMs: number): void {
    const detail = `no whole answer within ${requestMs} ms`;
    if (this.#state === "waiting") this.onGivenUp("request-timeout", detail);
    else this.#cutShort("request-timeout", detail);
  }

  #cutShort(reason: RequestReason, detail: string): void {
    if (this.#state === "over") return;
    this.#conclude(reason, detail);
    this.#options.client.abort("reset-by-peer", detail);
  }

  #respond(decision: RespondToRequest): void {
    const { by, backend, code, status, reason } = decision;
    const isFailure = code !== "redirect" && code !== "cors-preflight";
    this.#report.rule = by?.rule;
    this.#report.backend = backend?.service;
    if (isFailure && by?.rule.fallback !== undefined) this.#prepareFallback(by.rule, by.rule.fallback);
    const fields = this.#filtered(() => {
      const own = fieldsOf(decision.headers);
      changeHeaders(own, decision.responseHeaders, (value) => own.add("set-cookie", value));
      return own;
    });
    if (fields === undefined) return;
    this.#answerOurselves(status, code, isFailure ? reason : "", fields);
  }

  /** Of a request that no backend was asked for. */
  #prepareFallback(rule: RouteRule, fallback: Fallback): void {
    const { plane, facts, head } = this.#options;
    const plan = { ...planForward(undefined, head, facts), rule };
    const outgoing = outgoingRequest(head, plan, plane.requestId);
    this.#plan = plan;
    this.#fallback = new FallbackRequest(
      { ...this.#options, plan, head: outgoing, report: this.#report, owner: this },
      fallback,
    );
  }

  /** Whether something else is answered, or asked, instead of what went wrong. */
  #fallsBack(status: number, reason: RequestReason, text: string): boolean {
    const fallback = this.#fallback;
    if (fallback === undefined || this.#state !== "waiting") return false;
    const instead = fallback.instead(status);
    if (instead === undefined) return false;
    this.#report.note = `${reason}: ${text}; instead, by policy ${fallback.policy}, ${instead.what}`;
    // Whoever counts failures is told of the one that there was.
    this.#admission?.over({ reason, status });
    this.#admission = undefined;
    this.#requestTimer?.cancel();
    this.#carrier?.drop();
    if (instead.carrier === undefined) this.#answerInstead(instead.answer);
    else {
      this.#report.backend = instead.backend.service;
      this.#carrier = instead.carrier;
      this.#startTimer();
      instead.carrier.start();
    }
    return true;
  }

  #answerInstead({ head, body }: WholeAnswer): void {
    const outgoing = this.#outgoingAnswer(head);
    if (outgoing === undefined) return;
    this.#report.status = outgoing.status;
    this.#report.bytesReceived = body?.length ?? 0;
    this.#conclude("fallback", undefined);
    this.#options.client.answerWhole({ head: outgoing, body });
  }

  #answerOurselves(status: number, reason: RequestReason, text: string, fields: Fields): void {
    if (this.#state === "over" || this.#fallsBack(status, reason, text)) return;
    this.#report.status = status;
    this.#conclude(reason, text === "" ? undefined : text);
    this.#options.client.answerWhole(writeOwnAnswer({ status, reason, text, fields }));
  }

  #conclude(reason: RequestReason, detail: string | undefined): void {
    this.#state = "over";
    this.#requestTimer?.cancel();
    this.#carrier?.drop();
    this.#report.conclude(reason, detail);
    this.#admission?.over({ reason, status: this.#report.status });
  }
}

function isSameEndpoint(one: Candidate, other: Candidate): boolean {
  return one.key === other.key && one.address === other.address;
}

/** The same connection, whose admission is told when it has ended. */
function watched(upstream: UpgradedConnection, admission: Admission): UpgradedConnection {
  return {
    handOver: (relay) => upstream.handOver(relay),
    relayEnded: (reason) => {
      upstream.relayEnded(reason);
      admission.closed?.();
    },
  };
}

function fieldsOf(headers: readonly HeaderField[]): Fields {
  const fields = new Fields();
  for (const [name, value] of headers) fields.add(name, value);
  return fields;
}
