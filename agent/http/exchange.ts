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
import type { Fallback, RouteRule } from "../../protocol/route-table.ts";
import type { ForwardRequest, RespondToRequest } from "../../routing/http/request-decision.ts";
import type { RequestFacts } from "../../routing/http/request-facts.ts";
import type { Admission, AdmissionAsker, Refusal } from "./admission.ts";
import { answerToClient } from "./answer-to-client.ts";
import { watchedUpgrade } from "./watched-upgrade.ts";
import { FactsOfRequest } from "./facts-of-request.ts";
import { carryRequest } from "./carry-request.ts";
import { decidedAnswer, fieldsOf } from "./decided-answer.ts";
import type { ExchangeClient, RequestFault } from "./exchange-client.ts";
import { FieldError, type Fields, withOwnFields } from "./fields.ts";
import { type ForwardPlan, planForward } from "./forward-plan.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import { timeBoundOf } from "./grpc/deadline.ts";
import { GrpcStatus, httpStatusOf, readGrpcStatus } from "./grpc/grpc-status.ts";
import { isGrpc } from "./grpc/is-grpc.ts";
import { grpcTrailers } from "./grpc/write-grpc-answer.ts";
import { changedRequest, identify, outgoingRequest } from "./outgoing-heads.ts";
import type { OwnAnswer, WholeAnswer } from "./own-answer.ts";
import type { BoundedOwner, TooLarge } from "./protect/bounded-carrier.ts";
import type { RequestCarrier } from "./request-carrier.ts";
import { FallbackRequest } from "./resilience/fallback-request.ts";
import { type FailureReason, type RequestReason, statusOf } from "./request-failure.ts";
import type { RequestHead } from "./request-head.ts";
import { RequestReport } from "./request-report.ts";
import type { RequestRouter } from "./request-router.ts";
import type { ResponseHead } from "./response-head.ts";
import { tellAnswer } from "./tell-answer.ts";
import { acceptsUpgrade, settlesUpgrade } from "./websocket-opening.ts";

export interface ExchangeOptions {
  readonly plane: HttpPlane;
  readonly facts: HttpFacts;
  readonly router: RequestRouter;
  readonly client: ExchangeClient;
  readonly head: RequestHead;
}

export class Exchange implements BoundedOwner, AdmissionAsker {
  readonly #options: ExchangeOptions;
  readonly #report: RequestReport;
  readonly #isGrpc: boolean;
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
    this.#isGrpc = isGrpc(head);
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
    const { facts, router, head } = this.#options;
    const known = facts.memory.recall(head, router);
    if (known !== undefined) {
      this.#planned(known.plan);
      this.#carry(known.plan, withOwnFields(known.changed), undefined);
      return;
    }
    const request = new FactsOfRequest(this.#options);
    const decision = router.decide(request);
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

  refused({ reason, status, text, headers = [], grpcStatus }: Refusal): void {
    this.#answerOurselves({ status, reason, text, fields: fieldsOf(headers) }, grpcStatus);
  }

  // CarrierOwner.

  onInterim(head: ResponseHead): void {
    if (!this.#options.client.answerInterim(head)) this.#carrier?.pauseAnswer();
  }

  onAnswer(response: ResponseHead): void {
    if (settlesUpgrade(this.#options.head, response.status)) {
      this.#upgrade(response);
      return;
    }
    const status = this.#isGrpc ? httpStatusOf(response) : response.status;
    if (this.#fallsBack(status, "answered", `answer ${status}`)) return;
    this.#fallback?.answered(response);
    const head = this.#outgoingAnswer(response);
    if (head === undefined) return;
    this.#state = "answering";
    this.#report.status = head.status;
    if (this.#isGrpc && !head.hasBody) this.#report.grpcStatus = readGrpcStatus(head.fields);
    const { grpcStatus } = this.#report;
    this.#admission?.answered?.({ reason: "answered", status: head.status, grpcStatus });
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
    if (this.#isGrpc) this.#report.grpcStatus ??= readGrpcStatus(trailers);
    this.#fallback?.answerEnd();
    this.#conclude(this.#fallback?.isUsed === true ? "fallback" : "answered", undefined);
    this.#options.client.answerEnd(trailers);
  }

  onGivenUp(reason: FailureReason, detail: string): void {
    this.#answerOurselves({ status: statusOf(reason), reason, text: detail });
  }

  onCutShort(detail: string, resetCode: number | undefined): void {
    if (this.#state === "over") return;
    // To a client of gRPC a connection that is lost is UNAVAILABLE; what its server has reset passes as it is.
    const isLost = this.#isGrpc && resetCode === undefined;
    if (isLost) this.#report.grpcStatus = GrpcStatus.unavailable;
    this.#conclude("answer-cut-short", detail);
    if (isLost) this.#options.client.answerEnd(grpcTrailers(GrpcStatus.unavailable, "answer-cut-short", detail));
    else this.#options.client.abort("reset-by-peer", detail, resetCode);
  }

  pauseRequest(): void {
    this.#options.client.pauseRequest();
  }

  resumeRequest(): void {
    if (this.#state !== "over") this.#options.client.resumeRequest();
  }

  // BoundedOwner.

  onTooLarge(reason: TooLarge, detail: string): void {
    this.#giveUp(reason, detail, GrpcStatus.resourceExhausted);
  }

  // Down the layers.

  #forward(decision: ForwardRequest | undefined, request: FactsOfRequest): void {
    const { facts, router, head } = this.#options;
    const plan = planForward(decision, head, facts);
    this.#planned(plan);
    const changed = this.#filtered(() => changedRequest(head, plan));
    if (changed === undefined) return;
    if (decision !== undefined && !request.isLeftToChance) facts.memory.remember(head, router, plan, changed);
    this.#carry(plan, changed, request);
  }

  #planned(plan: ForwardPlan): void {
    this.#plan = plan;
    this.#report.rule = plan.rule;
    this.#report.backend = plan.target.service;
  }

  /** `request`: undefined for one that no policy is asked about. */
  #carry(plan: ForwardPlan, outgoing: RequestHead, request: RequestFacts | undefined): void {
    const { facts, plane, router, head } = this.#options;
    const report = this.#report;
    identify(outgoing, plane.requestId);
    this.#outgoing = outgoing;
    const deadlineMs = this.#boundTime(plan);
    // A literal: copies by spreading are slow, and this is made for every request.
    const options = { plane, facts, router, plan, head: outgoing, deadlineMs, report, owner: this, pace: undefined };
    if (plan.rule?.fallback !== undefined) this.#fallback = new FallbackRequest(options, plan.rule.fallback);
    const verdict = request === undefined ? undefined : plane.admission?.ask({ facts, plan, head, request }, this);
    if (verdict !== undefined && "status" in verdict) {
      this.refused(verdict);
      return;
    }
    this.#admission = verdict;
    this.#carrier = carryRequest(verdict?.pace === undefined ? options : { ...options, pace: verdict.pace });
    if (verdict?.mustWait !== true) this.#carrier.start();
  }

  /** The deadline that the server is told, on the monotonic clock. */
  #boundTime({ rule }: ForwardPlan): number | undefined {
    const { plane, head } = this.#options;
    const bound = timeBoundOf(head, rule);
    if (bound === undefined) return undefined;
    this.#requestTimer = plane.clock.after(bound.ms, () => this.#timedOut(bound.ms));
    return bound.isTold ? plane.clock.monotonicMs() + bound.ms : undefined;
  }

  #outgoingAnswer(response: ResponseHead): ResponseHead | undefined {
    const plan = this.#plan;
    if (plan === undefined) return response;
    const { sessions } = this.#options.plane;
    const isFallback = this.#fallback?.isUsed === true;
    return this.#filtered(() =>
      answerToClient(response, { plan, isFallback, sessions, endpoint: this.#report.endpoint }),
    );
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
    if (!acceptsUpgrade(this.#outgoing, response) || !this.#requestEnded) {
      this.onGivenUp("bad-response", "the server does not go over to the protocol that it was offered, if it was");
      return;
    }
    const head = this.#outgoingAnswer(response);
    const upstream = head === undefined ? undefined : this.#carrier?.handOver();
    if (head === undefined || upstream === undefined) return;
    this.#report.status = head.status;
    this.#conclude("upgraded", undefined);
    const admission = this.#admission;
    this.#options.client.upgrade(
      head,
      admission === undefined ? upstream : watchedUpgrade(upstream, () => admission.closed?.()),
    );
  }

  // Ends.

  #timedOut(ms: number): void {
    this.#giveUp("request-timeout", `no whole answer within ${ms} ms`, GrpcStatus.deadlineExceeded);
  }

  /** By our own doing. What a gRPC client has of an answer still gets its status. */
  #giveUp(reason: FailureReason, detail: string, grpcStatus: number): void {
    if (this.#state === "over") return;
    if (this.#state === "waiting") {
      this.onGivenUp(reason, detail);
      return;
    }
    if (this.#isGrpc) this.#report.grpcStatus = grpcStatus;
    this.#conclude(reason, detail);
    if (this.#isGrpc) this.#options.client.answerEnd(grpcTrailers(grpcStatus, reason, detail));
    else this.#options.client.abort("reset-by-peer", detail, undefined);
  }

  #respond(decision: RespondToRequest): void {
    const rule = decision.by?.rule;
    this.#report.rule = rule;
    this.#report.backend = decision.backend?.service;
    const answer = this.#filtered(() => decidedAnswer(decision));
    if (answer === undefined) return;
    const isFailure = answer.text !== "";
    if (isFailure && rule?.fallback !== undefined) this.#prepareFallback(rule, rule.fallback);
    this.#answerOurselves(answer, decision.grpcStatus);
  }

  /** Of a request that no backend was asked for. */
  #prepareFallback(rule: RouteRule, fallback: Fallback): void {
    const { plane, facts, head } = this.#options;
    const plan = { ...planForward(undefined, head, facts), rule };
    const outgoing = outgoingRequest(head, plan, plane.requestId);
    this.#plan = plan;
    const own = { report: this.#report, owner: this, deadlineMs: undefined };
    this.#fallback = new FallbackRequest({ ...this.#options, plan, head: outgoing, ...own }, fallback);
  }

  /** Whether something else is answered, or asked, instead of what went wrong. */
  #fallsBack(status: number, reason: RequestReason, text: string): boolean {
    const fallback = this.#fallback;
    if (fallback === undefined || this.#state !== "waiting") return false;
    const instead = fallback.instead(status);
    if (instead === undefined) return false;
    this.#report.note = `${reason}: ${text}; instead, by policy ${fallback.policy}, ${instead.what}`;
    // Whoever counts failures is told of the one that there was.
    this.#admission?.over({ reason, status, grpcStatus: this.#report.grpcStatus });
    this.#admission = undefined;
    this.#requestTimer?.cancel();
    this.#carrier?.drop();
    if (instead.carrier === undefined) this.#answerInstead(instead.answer);
    else {
      this.#report.backend = instead.backend.service;
      this.#carrier = instead.carrier;
      if (this.#plan !== undefined) this.#boundTime(this.#plan);
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

  #answerOurselves(answer: OwnAnswer, grpcStatus?: number): void {
    const { status, reason, text } = answer;
    if (this.#state === "over" || this.#fallsBack(status, reason, text)) return;
    const told = tellAnswer(answer, this.#isGrpc, grpcStatus);
    this.#report.status = status;
    this.#report.grpcStatus = told.grpcStatus;
    this.#conclude(reason, text === "" ? undefined : text);
    this.#options.client.answerWhole(told.whole);
  }

  #conclude(reason: RequestReason, detail: string | undefined): void {
    this.#state = "over";
    this.#options.plane.metrics.gauges.requestsOpen -= 1;
    this.#requestTimer?.cancel();
    this.#carrier?.drop();
    this.#report.conclude(reason, detail);
    const { status, grpcStatus } = this.#report;
    this.#admission?.over({ reason, status, grpcStatus });
  }
}
