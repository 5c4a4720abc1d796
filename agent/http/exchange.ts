/**
 * One request and its answer.
 *
 *   decided --ours--------------------------------------------------------------> answered by us
 *      \--forward--> trying --head of the answer--> answering --its end---------> over
 *                    |   ^  \--101--> upgraded: a relay has both ends               ^
 *                    |   \-- another try: not delivered, stale, or as the route says |
 *                    \------ no other try ---------> answered by us                  |
 *                                         answering --lost---> client is reset ------/
 *
 * The body flows while the answer does, both with backpressure. As long as no head has come back, it is kept for another
 * try; when it outgrows the bound, the request is tried once. Exactly one of `finished`, `abort` and `upgrade` of the client
 * ends it, unless the client is gone.
 */
import type { Timer } from "../../core/clock.ts";
import type { HeaderChanges, RouteRule, RouteTarget } from "../../protocol/route-table.ts";
import type { ForwardRequest, RespondToRequest } from "../../routing/http/request-decision.ts";
import { changeHeaders } from "../../routing/http/change-headers.ts";
import type { Attempt } from "../balance/attempt.ts";
import { limits } from "../limits.ts";
import type { CloseReason } from "../relay/relay.ts";
import { BodyWriter, type WriteBytes } from "./h1/body-writer.ts";
import { FieldError, Fields } from "./h1/fields.ts";
import type { H1Error } from "./h1/h1-error.ts";
import type { RequestHead } from "./h1/request-head.ts";
import type { ResponseHead } from "./h1/response-head.ts";
import { writeResponseHead } from "./h1/write-head.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import { httpLimits } from "./limits.ts";
import { connectionFor, offeredUpgrade, passageOf, requestHeadFor, responseHeadFor } from "./outgoing-heads.ts";
import { writeOwnResponse } from "./own-response.ts";
import { ReplayBuffer } from "./replay-buffer.ts";
import { type FailureReason, type RequestReason, statusOf } from "./request-failure.ts";
import { RequestReport } from "./request-report.ts";
import type { BackendEndpoints, RequestRouter } from "./request-router.ts";
import { isIdempotent, retriesFailure, retriesStatus, retryDelayMs } from "./retry-rules.ts";
import type { UpstreamConnection, UpstreamUser } from "./upstream/upstream-connection.ts";
import { isUndelivered, UpstreamFailure } from "./upstream/upstream-failure.ts";

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
  /** The head of the 101 is written; from now on both ends are bytes. */
  upgrade(upstream: UpstreamConnection, ended: () => void): void;
}

export interface ExchangeOptions {
  readonly plane: HttpPlane;
  readonly facts: HttpFacts;
  readonly router: RequestRouter;
  readonly client: ExchangeClient;
  readonly head: RequestHead;
}

/** Where it goes, and what is changed on the way. */
interface Plan {
  readonly target: RouteTarget;
  readonly rule: RouteRule | undefined;
  readonly authority: string;
  readonly path: string;
  readonly requestHeaders: readonly HeaderChanges[];
  readonly responseHeaders: readonly HeaderChanges[];
}

const NO_CHANGES: readonly HeaderChanges[] = [];

export class Exchange implements UpstreamUser {
  readonly #plane: HttpPlane;
  readonly #facts: HttpFacts;
  readonly #router: RequestRouter;
  readonly #client: ExchangeClient;
  readonly #head: RequestHead;
  readonly #report: RequestReport;
  readonly #replay = new ReplayBuffer();
  readonly #answer: BodyWriter;
  #state: "trying" | "answering" | "over" = "trying";
  #plan: Plan | undefined;
  #headBytes: Buffer | undefined;
  #tried = new Set<string>();
  #retries = 0;
  #wasStale = false;
  #attempt: Attempt | undefined;
  #attemptStartedMs = 0;
  #upstream: UpstreamConnection | undefined;
  /** The head is on its way to the present endpoint, and the body follows as it comes. */
  #isSending = false;
  #isContinued = false;
  #keepOpen = false;
  #requestTimer: Timer | undefined;
  #tryTimer: Timer | undefined;

  constructor({ plane, facts, router, client, head }: ExchangeOptions) {
    this.#plane = plane;
    this.#facts = facts;
    this.#router = router;
    this.#client = client;
    this.#head = head;
    this.#report = new RequestReport(plane, facts, head);
    this.#answer = new BodyWriter((bytes) => this.#toClient(bytes));
  }

  /** What it makes the agent hold. */
  get heldBytes(): number {
    return this.#replay.bytes + (this.#upstream?.heldBytes ?? 0);
  }

  /** The route's bound on silence. */
  get idleMs(): number | undefined {
    return this.#plan?.rule?.timeouts?.idleMs || undefined;
  }

  start(): void {
    const { method, path, authority, fields } = this.#head;
    if (method === "CONNECT") {
      this.#fail("connect-not-supported", "CONNECT would be a tunnel past every route");
      return;
    }
    const { source, service, port } = this.#facts;
    const { random } = this.#plane;
    const decision = this.#router.decide({
      source: source.workload,
      service: service.key,
      port,
      scheme: "http",
      method,
      target: path,
      authority,
      headers: fields,
      random: random(),
      mirrorRandom: random(),
    });
    if (decision.kind === "respond") this.#respond(decision);
    else this.#forward(decision.kind === "forward" ? decision : undefined);
  }

  // From the client.

  requestBody(content: Buffer): void {
    if (this.#state === "over") return;
    this.#report.bytesSent += content.length;
    this.#replay.keep(content);
    if (!this.#isSending) {
      if (this.#replay.isFull) this.#client.pauseRequest();
      return;
    }
    if (this.#replay.isFull) this.#replay.giveUp();
    const upstream = this.#upstream;
    if (upstream?.sendBody(content) === false && upstream.queuedBytes > limits.streamBufferBytes) {
      this.#client.pauseRequest();
    }
  }

  requestEnd(trailers: Fields | undefined): void {
    this.#replay.end(trailers);
    if (this.#isSending) this.#upstream?.sendEnd(trailers);
  }

  clientDrained(): void {
    this.#upstream?.resume();
  }

  /** Nobody waits for the answer any more. */
  clientGone(reason: "client-gone" | "aborted", detail: string): void {
    if (this.#state === "over") return;
    this.#upstream?.close("reset-by-pod");
    this.#conclude(reason, detail);
  }

  /** The rest of the request is no HTTP, or does not come. What the client has been told so far. */
  refuse(error: H1Error): "free" | "answering" | "answered" {
    if (this.#state === "over") return "answered";
    const place = this.#state === "trying" ? "free" : "answering";
    if (place === "free") this.#report.status = error.status;
    this.#upstream?.close("reset-by-pod");
    this.#conclude(error.code, error.message);
    return place;
  }

  // UpstreamUser.

  onTaken(upstream: UpstreamConnection): void {
    this.#upstream = upstream;
    this.#isSending = false;
  }

  onReady(): void {
    const upstream = this.#upstream;
    if (upstream === undefined || this.#headBytes === undefined) return;
    this.#isSending = true;
    upstream.sendHead(this.#headBytes, this.#head.framing.body);
    for (const content of this.#replay.chunks) upstream.sendBody(content);
    if (this.#replay.isEnded) upstream.sendEnd(this.#replay.trailers);
    else {
      if (this.#replay.isFull) this.#replay.giveUp();
      if (upstream.queuedBytes <= limits.streamBufferBytes) this.#client.resumeRequest();
    }
  }

  onDrain(): void {
    if (this.#state !== "over") this.#client.resumeRequest();
  }

  onHead(response: ResponseHead): void {
    if (response.isInterim) this.#passInterim(response);
    else {
      this.#attempt?.connected(this.#plane.clock.monotonicMs() - this.#attemptStartedMs);
      if (response.status === 101) this.#upgrade(response);
      else if (this.#retriesStatus(response.status)) this.#tryAgainLater(response.status);
      else this.#passHead(response);
    }
  }

  onBody(content: Buffer): void {
    this.#report.bytesReceived += content.length;
    if (!this.#answer.write(content)) this.#upstream?.pause();
  }

  onEnd(trailers: Fields | undefined): void {
    const upstream = this.#upstream;
    if (this.#state !== "answering" || upstream === undefined) return;
    this.#answer.end(trailers);
    this.#upstream = undefined;
    const isWhole = this.#replay.isEnded;
    this.#conclude("answered", undefined);
    this.#plane.upstreams.give(upstream);
    // What is left of the request would have to be read by nobody.
    this.#client.finished(this.#keepOpen && isWhole);
  }

  onFailed(failure: UpstreamFailure): void {
    const wasOpen = this.#upstream?.isOpen === true;
    this.#upstream = undefined;
    this.#isSending = false;
    this.#judge(failure, wasOpen);
    if (this.#state === "over") return;
    if (this.#state === "answering") {
      this.#conclude("answer-cut-short", failure.message);
      this.#client.abort("reset-by-peer", failure.message);
      return;
    }
    this.#report.failure = failure.message;
    this.#afterFailure(failure);
  }

  // Forwarding.

  /** Without a decision (the route has just gone): to the Service that was dialled. */
  #forward(decision: ForwardRequest | undefined): void {
    const { service, port, dialled } = this.#facts;
    const authority = decision?.authority ?? this.#head.authority;
    this.#plan = {
      target: decision?.backend ?? { service: service.key, port },
      rule: decision?.by.rule,
      // HTTP/1.0 may name nobody; HTTP/1.1 may not.
      authority: authority === "" ? dialled : authority,
      path: decision?.target ?? this.#head.path,
      requestHeaders: decision?.requestHeaders ?? NO_CHANGES,
      responseHeaders: decision?.responseHeaders ?? NO_CHANGES,
    };
    this.#report.rule = decision?.by.rule;
    this.#report.backend = this.#plan.target.service;
    if (!this.#writeHead(this.#plan)) return;
    const { retry, timeouts } = this.#plan.rule ?? {};
    if (retry !== undefined) this.#plane.budgets.requested(this.#plan.target.service, retry.budget);
    if (timeouts?.requestMs) {
      this.#requestTimer = this.#plane.clock.after(timeouts.requestMs, () => this.#timedOut(timeouts.requestMs ?? 0));
    }
    this.#try(this.#plan, false);
  }

  #writeHead({ authority, path, requestHeaders }: Plan): boolean {
    try {
      const { requestId } = this.#plane;
      this.#headBytes = requestHeadFor(this.#head, { authority, path, headers: requestHeaders, requestId });
      return true;
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      this.#fail("bad-filter", error.message);
      return false;
    }
  }

  #try(plan: Plan, fresh: boolean): void {
    const endpoints = this.#router.endpoints(plan.target);
    if (endpoints === undefined) {
      this.#fail("unknown-service", `there is no Service ${plan.target.service}`);
      return;
    }
    const attempt = this.#pick(plan, endpoints);
    if (attempt === undefined) {
      this.#fail("no-endpoints", endpoints.problem ?? this.#report.failure ?? "no endpoint is left to try");
      return;
    }
    this.#attempt = attempt;
    this.#report.tried(attempt.candidate);
    this.#attemptStartedMs = this.#plane.clock.monotonicMs();
    const perTryMs = plan.rule?.timeouts?.perTryMs;
    if (perTryMs) this.#tryTimer = this.#plane.clock.after(perTryMs, () => this.#tryTimedOut(perTryMs));
    this.#plane.upstreams.take(this.#upstreamTarget(plan, endpoints, attempt), this, this.#head.method, fresh);
  }

  #pick({ target, rule }: Plan, endpoints: BackendEndpoints): Attempt | undefined {
    const { candidates, loadBalancer: algorithm, ejection } = endpoints;
    if (candidates.length === 0) return undefined;
    const destination = `${target.service}:${target.port}`;
    const request = { destination, candidates, algorithm, ejection, sourceAddress: this.#facts.source.address };
    const attempt = this.#plane.balancers.pick({ ...request, exclude: this.#tried });
    // A route's retries go to the same endpoint rather than to none.
    if (attempt !== undefined || rule?.retry === undefined || this.#retries === 0) return attempt;
    this.#tried.clear();
    return this.#plane.balancers.pick(request);
  }

  #upstreamTarget({ rule }: Plan, { service }: BackendEndpoints, { candidate }: Attempt) {
    const { source, table } = this.#facts;
    return {
      candidate,
      source,
      service,
      sourceIdentity: table.identityOf(source.workload),
      destinationIdentity: table.identityOf(candidate.workload),
      connectMs: rule?.timeouts?.connectMs,
    };
  }

  // What came of a try.

  #judge(failure: UpstreamFailure, wasOpen: boolean): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#tryTimer?.cancel();
    if (attempt === undefined) return;
    this.#tried.add(attempt.candidate.key);
    if (failure.code === "connect-failure" || failure.code === "connect-timeout") {
      attempt.failed();
      return;
    }
    if (wasOpen) attempt.connected(this.#plane.clock.monotonicMs() - this.#attemptStartedMs);
    attempt.finished();
  }

  #afterFailure(failure: UpstreamFailure): void {
    const { method } = this.#head;
    const plan = this.#plan as Plan;
    const retry = plan.rule?.retry;
    if (failure.code === "stale" && !this.#wasStale && isIdempotent(method) && this.#replay.isComplete) {
      // Not the endpoint's fault, nor a retry that anybody asked for.
      this.#wasStale = true;
      this.#tried.clear();
      this.#try(plan, true);
    } else if (isUndelivered(failure) && this.#replay.isComplete && this.#report.tries < limits.connectAttempts) {
      this.#plane.metrics.retry();
      this.#try(plan, false);
    } else if (retry !== undefined && retriesFailure(retry, failure, method) && this.#mayRetry()) {
      this.#retryLater();
    } else {
      this.#fail(failure.code === "stale" ? "reset" : failure.code, failure.message);
    }
  }

  #retriesStatus(status: number): boolean {
    const retry = this.#plan?.rule?.retry;
    return retry !== undefined && retriesStatus(retry, status) && this.#mayRetry();
  }

  /** Asked last: it takes the retry out of the budget. */
  #mayRetry(): boolean {
    const { rule, target } = this.#plan as Plan;
    const retry = rule?.retry;
    if (retry === undefined || this.#retries >= retry.attempts || !this.#replay.isComplete) return false;
    if (this.#plane.budgets.retry(target.service, retry.budget)) return true;
    this.#plane.metrics.limitHit("retry-budget");
    return false;
  }

  #tryAgainLater(status: number): void {
    this.#report.failure = `answer ${status}`;
    const attempt = this.#attempt;
    if (attempt !== undefined) this.#tried.add(attempt.candidate.key);
    this.#dropTry();
    this.#retryLater();
  }

  #retryLater(): void {
    const plan = this.#plan as Plan;
    const retry = plan.rule?.retry;
    if (retry === undefined) return;
    this.#plane.metrics.retry();
    const delayMs = retryDelayMs(retry, this.#retries, this.#plane.random);
    this.#retries += 1;
    this.#tryTimer = this.#plane.clock.after(delayMs, () => this.#try(plan, false));
  }

  #tryTimedOut(perTryMs: number): void {
    const upstream = this.#upstream;
    upstream?.close("reset-by-pod");
    this.onFailed(new UpstreamFailure("per-try-timeout", `no whole answer within ${perTryMs} ms`));
  }

  #timedOut(requestMs: number): void {
    const detail = `no whole answer within ${requestMs} ms`;
    if (this.#state === "trying") this.#fail("request-timeout", detail);
    else {
      this.#upstream?.close("reset-by-pod");
      this.#conclude("request-timeout", detail);
      this.#client.abort("reset-by-peer", detail);
    }
  }

  #dropTry(): void {
    this.#tryTimer?.cancel();
    this.#upstream?.close("closed");
    this.#upstream = undefined;
    this.#isSending = false;
    this.#attempt?.finished();
    this.#attempt = undefined;
  }

  // The answer.

  /** RFC 9110 section 15.2: passed on, but not to HTTP/1.0, which knows none. */
  #passInterim({ status, reason, fields }: ResponseHead): void {
    if (this.#head.minor === 0) return;
    if (status === 100) this.#isContinued = true;
    const head = writeResponseHead({ status, reason, fields, framing: { body: "none", length: undefined } });
    if (!this.#toClient(head)) this.#upstream?.pause();
  }

  #passHead(response: ResponseHead): void {
    const passage = passageOf(this.#head, response, !this.#client.isLeaving && !this.#mayWithholdBody());
    const head = this.#responseHead(response, passage);
    if (head === undefined) return;
    this.#state = "answering";
    this.#replay.giveUp();
    this.#report.status = response.status;
    this.#keepOpen = passage.keepOpen;
    this.#answer.begin(passage.framing.body);
    this.#toClient(head);
  }

  #responseHead(response: ResponseHead, passage: ReturnType<typeof passageOf>): Buffer | undefined {
    try {
      return responseHeadFor(this.#head, response, this.#plan?.responseHeaders ?? NO_CHANGES, passage);
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      this.#fail("bad-filter", error.message);
      return undefined;
    }
  }

  /** A client that waits for 100 may send the body or not, once it has its answer: nobody can tell what comes next. */
  #mayWithholdBody(): boolean {
    return this.#head.expectsContinue && !this.#isContinued && !this.#replay.isEnded;
  }

  #upgrade(response: ResponseHead): void {
    const upstream = this.#upstream as UpstreamConnection;
    if (offeredUpgrade(this.#head) === undefined || response.upgrade === undefined || !this.#replay.isEnded) {
      upstream.fail("bad-response", "the server goes over to a protocol that nobody offered");
      return;
    }
    const passage = { framing: response.framing, keepOpen: true };
    const head = this.#responseHead(response, passage);
    if (head === undefined) return;
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#upstream = undefined;
    this.#report.status = response.status;
    this.#toClient(head);
    this.#conclude("upgraded", undefined);
    this.#client.upgrade(upstream, () => attempt?.finished());
  }

  #respond(decision: RespondToRequest): void {
    this.#report.rule = decision.by?.rule;
    this.#report.backend = decision.backend?.service;
    const fields = new Fields();
    try {
      for (const [name, value] of decision.headers) fields.add(name, value);
      changeHeaders(fields, decision.responseHeaders, (value) => fields.add("set-cookie", value));
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      this.#fail("bad-filter", error.message);
      return;
    }
    const isFailure = decision.code !== "redirect" && decision.code !== "cors-preflight";
    this.#answerOurselves(decision.status, decision.code, isFailure ? decision.reason : "", fields);
  }

  #fail(reason: FailureReason, text: string): void {
    this.#answerOurselves(statusOf(reason), reason, text, new Fields());
  }

  #answerOurselves(status: number, reason: RequestReason, text: string, fields: Fields): void {
    this.#dropTry();
    const { method, keepAlive } = this.#head;
    const keepOpen = keepAlive && !this.#client.isLeaving && this.#restIsSmall();
    this.#report.status = status;
    this.#toClient(writeOwnResponse({ status, reason, text, fields }, method, connectionFor(this.#head, keepOpen)));
    this.#conclude(reason, text === "" ? undefined : text);
    this.#client.finished(keepOpen);
  }

  /** What is still to come of the request can be read and thrown away. */
  #restIsSmall(): boolean {
    if (this.#replay.isEnded) return true;
    const { body, length = 0 } = this.#head.framing;
    return body === "none" || (body === "length" && length <= httpLimits.discardedBytes && !this.#mayWithholdBody());
  }

  #toClient(bytes: Buffer): boolean {
    return this.#client.write(bytes);
  }

  #conclude(reason: RequestReason, detail: string | undefined): void {
    this.#state = "over";
    this.#requestTimer?.cancel();
    this.#tryTimer?.cancel();
    this.#attempt?.finished();
    this.#attempt = undefined;
    this.#replay.giveUp();
    this.#report.conclude(reason, detail);
  }
}
