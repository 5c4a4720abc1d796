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
import type { HeaderField } from "../../protocol/route-table.ts";
import { changeHeaders } from "../../routing/http/change-headers.ts";
import type { ForwardRequest, RequestDecision, RespondToRequest } from "../../routing/http/request-decision.ts";
import type { Admission, AdmissionAsker, Refusal } from "./admission.ts";
import { carryRequest } from "./carry-request.ts";
import type { ExchangeClient } from "./exchange-client.ts";
import { FieldError, Fields } from "./fields.ts";
import { type ForwardPlan, planForward } from "./forward-plan.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import { outgoingRequest, outgoingResponse } from "./outgoing-heads.ts";
import { writeOwnAnswer } from "./own-answer.ts";
import type { CarrierOwner, RequestCarrier } from "./request-carrier.ts";
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

export class Exchange implements CarrierOwner, AdmissionAsker {
  readonly #options: ExchangeOptions;
  readonly #report: RequestReport;
  #state: "waiting" | "answering" | "over" = "waiting";
  #plan: ForwardPlan | undefined;
  /** As it goes out. */
  #outgoing: RequestHead | undefined;
  #admission: Admission | undefined;
  #carrier: RequestCarrier | undefined;
  #requestTimer: Timer | undefined;
  #requestEnded = false;

  constructor(options: ExchangeOptions) {
    const { plane, facts, head } = options;
    this.#options = options;
    this.#report = new RequestReport(plane, facts, head);
    plane.metrics.gauges.requestsOpen += 1;
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
    const decision = this.#decide();
    if (decision.kind === "respond") this.#respond(decision);
    else this.#forward(decision.kind === "forward" ? decision : undefined);
  }

  // From the client.

  requestBody(content: Buffer): void {
    if (this.#state === "over") return;
    this.#report.bytesSent += content.length;
    this.#carrier?.requestBody(content);
  }

  requestEnd(trailers: Fields | undefined): void {
    this.#requestEnded = true;
    if (this.#state !== "over") this.#carrier?.requestEnd(trailers);
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
    const told = this.#state === "waiting" ? "nothing" : "a part";
    if (told === "nothing") this.#report.status = status;
    this.#conclude(code, message);
    return told;
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
    const head = this.#outgoingAnswer(response);
    if (head === undefined) return;
    this.#state = "answering";
    this.#report.status = head.status;
    this.#options.client.answerHead(head);
  }

  onBody(content: Buffer): void {
    if (this.#state !== "answering") return;
    this.#report.bytesReceived += content.length;
    if (!this.#options.client.answerBody(content)) this.#carrier?.pauseAnswer();
  }

  onAnswerEnd(trailers: Fields | undefined): void {
    if (this.#state !== "answering") return;
    this.#conclude("answered", undefined);
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

  // Down the layers.

  #decide(): RequestDecision {
    const { plane, facts, router, head } = this.#options;
    return router.decide({
      source: facts.source.workload,
      identity: router.identity,
      service: facts.service.key,
      port: facts.port,
      scheme: head.scheme,
      method: head.method,
      target: head.path,
      authority: head.authority,
      headers: head.fields,
      random: plane.random(),
      mirrorRandom: plane.random(),
    });
  }

  #forward(decision: ForwardRequest | undefined): void {
    const { facts, plane, head } = this.#options;
    const plan = planForward(decision, head, facts);
    this.#plan = plan;
    this.#report.rule = plan.rule;
    this.#report.backend = plan.target.service;
    const outgoing = this.#filtered(() => outgoingRequest(head, plan, plane.requestId));
    if (outgoing === undefined) return;
    this.#outgoing = outgoing;
    const requestMs = plan.rule?.timeouts?.requestMs;
    if (requestMs) this.#requestTimer = plane.clock.after(requestMs, () => this.#timedOut(requestMs));
    this.#carrier = carryRequest({ ...this.#options, plan, head: outgoing, report: this.#report, owner: this });
    this.#admit(plan);
  }

  #admit(plan: ForwardPlan): void {
    const { facts, plane, head } = this.#options;
    const verdict = plane.admission?.ask({ facts, plan, head }, this);
    if (verdict === undefined) this.#carrier?.start();
    else if ("status" in verdict) this.refused(verdict);
    else {
      this.#admission = verdict;
      if (!verdict.mustWait) this.#carrier?.start();
    }
  }

  #outgoingAnswer(response: ResponseHead): ResponseHead | undefined {
    return this.#filtered(() => outgoingResponse(response, this.#plan?.responseHeaders ?? []));
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
    this.#options.client.upgrade(head, upstream);
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
    this.#report.rule = by?.rule;
    this.#report.backend = backend?.service;
    const fields = this.#filtered(() => {
      const own = fieldsOf(decision.headers);
      changeHeaders(own, decision.responseHeaders, (value) => own.add("set-cookie", value));
      return own;
    });
    if (fields === undefined) return;
    const isFailure = code !== "redirect" && code !== "cors-preflight";
    this.#answerOurselves(status, code, isFailure ? reason : "", fields);
  }

  #answerOurselves(status: number, reason: RequestReason, text: string, fields: Fields): void {
    if (this.#state === "over") return;
    this.#report.status = status;
    this.#conclude(reason, text === "" ? undefined : text);
    this.#options.client.answerWhole(writeOwnAnswer({ status, reason, text, fields }));
  }

  #conclude(reason: RequestReason, detail: string | undefined): void {
    this.#state = "over";
    this.#options.plane.metrics.gauges.requestsOpen -= 1;
    this.#requestTimer?.cancel();
    this.#carrier?.drop();
    this.#report.conclude(reason, detail);
    this.#admission?.over({ reason, status: this.#report.status });
  }
}

function fieldsOf(headers: readonly HeaderField[]): Fields {
  const fields = new Fields();
  for (const [name, value] of headers) fields.add(name, value);
  return fields;
}
