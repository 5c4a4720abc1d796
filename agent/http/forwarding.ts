/**
 * Carries one request to an endpoint of its backend, and to another one when that fails and may be repeated.
 *
 *   pick --> taken --stream--> sending: head, what came of the body, the rest as it comes
 *    ^                            |  \--head of the answer--> answering: no other try from now on
 *    |                            |       \-- its status is to be retried ---\
 *    \--- not delivered, stale, or as the route says: now, or after a delay --/
 *                                 \--- none of these, or no tries left: `onGivenUp`
 *
 * Until there is an answer the body is kept for another try; when it outgrows the bound, it is sent once. Backpressure goes
 * to the client's socket.
 */
import type { Timer } from "../../core/clock.ts";
import type { HeaderChanges, RouteRule, RouteTarget } from "../../protocol/route-table.ts";
import type { Attempt } from "../balance/attempt.ts";
import { limits } from "../limits.ts";
import type { Fields } from "./h1/fields.ts";
import type { RequestHead } from "./h1/request-head.ts";
import type { ResponseHead } from "./h1/response-head.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import { ReplayBuffer } from "./replay-buffer.ts";
import type { FailureReason } from "./request-failure.ts";
import type { RequestReport } from "./request-report.ts";
import type { BackendEndpoints, RequestRouter } from "./request-router.ts";
import { isIdempotent, retriesFailure, retriesStatus, retryDelayMs } from "./retry-rules.ts";
import type { UpstreamTarget } from "./upstream/dial-upstream.ts";
import type { UpstreamConnection, UpstreamUser } from "./upstream/upstream-connection.ts";
import { isUndelivered, UpstreamFailure } from "./upstream/upstream-failure.ts";

/** Where a request goes, and what is changed on the way. */
export interface ForwardPlan {
  readonly target: RouteTarget;
  /** Undefined when no route has a say. */
  readonly rule: RouteRule | undefined;
  readonly authority: string;
  readonly path: string;
  readonly requestHeaders: readonly HeaderChanges[];
  readonly responseHeaders: readonly HeaderChanges[];
}

/** The exchange. */
export interface ForwardingOwner {
  onInterim(head: ResponseHead): void;
  /** The head of the answer, or a 101. */
  onAnswer(head: ResponseHead): void;
  onBody(content: Buffer): void;
  /** The answer is complete; the endpoint's connection is released after this. */
  onAnswerEnd(trailers: Fields | undefined): void;
  /** There is no answer and no other try. */
  onGivenUp(reason: FailureReason, detail: string): void;
  /** The answer broke off. */
  onCutShort(detail: string): void;
  pauseRequest(): void;
  resumeRequest(): void;
}

export interface ForwardingOptions {
  readonly plane: HttpPlane;
  readonly facts: HttpFacts;
  readonly router: RequestRouter;
  readonly head: RequestHead;
  readonly plan: ForwardPlan;
  /** As it goes out; the same in every try. */
  readonly headBytes: Buffer;
  readonly report: RequestReport;
  readonly owner: ForwardingOwner;
}

export class Forwarding implements UpstreamUser {
  readonly #options: ForwardingOptions;
  readonly #replay = new ReplayBuffer();
  readonly #tried = new Set<string>();
  #retries = 0;
  #wasStale = false;
  #attempt: Attempt | undefined;
  #attemptStartedMs = 0;
  #upstream: UpstreamConnection | undefined;
  /** The head is on its way to the present endpoint, and the body follows as it comes. */
  #isSending = false;
  #isAnswering = false;
  /** Of a try, or of the wait before one. */
  #timer: Timer | undefined;

  constructor(options: ForwardingOptions) {
    this.#options = options;
  }

  get heldBytes(): number {
    return this.#replay.bytes + (this.#upstream?.heldBytes ?? 0);
  }

  start(): void {
    const { plan, plane } = this.#options;
    const retry = plan.rule?.retry;
    if (retry !== undefined) plane.budgets.requested(plan.target.service, retry.budget);
    this.#try(false);
  }

  requestBody(content: Buffer): void {
    this.#replay.keep(content);
    if (!this.#isSending) {
      if (this.#replay.isFull) this.#options.owner.pauseRequest();
      return;
    }
    if (this.#replay.isFull) this.#replay.giveUp();
    const upstream = this.#upstream;
    if (upstream?.sendBody(content) === false && upstream.queuedBytes > limits.streamBufferBytes) {
      this.#options.owner.pauseRequest();
    }
  }

  requestEnd(trailers: Fields | undefined): void {
    this.#replay.end(trailers);
    if (this.#isSending) this.#upstream?.sendEnd(trailers);
  }

  pauseAnswer(): void {
    this.#upstream?.pause();
  }

  resumeAnswer(): void {
    this.#upstream?.resume();
  }

  /** Gives the request up, in whatever state it is. No callback follows. */
  drop(): void {
    this.#timer?.cancel();
    const upstream = this.#upstream;
    this.#upstream = undefined;
    this.#isSending = false;
    this.#attempt?.finished();
    this.#attempt = undefined;
    upstream?.close("reset-by-pod");
  }

  /** After a 101, from within `onAnswer`: the connection is the caller's, who says when it has ended. */
  handOver(): { readonly upstream: UpstreamConnection | undefined; readonly ended: () => void } {
    const upstream = this.#upstream;
    const attempt = this.#attempt;
    this.#timer?.cancel();
    this.#upstream = undefined;
    this.#attempt = undefined;
    return { upstream, ended: () => attempt?.finished() };
  }

  // UpstreamUser.

  onTaken(upstream: UpstreamConnection): void {
    this.#upstream = upstream;
    this.#isSending = false;
  }

  onReady(): void {
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    const { head, headBytes, owner } = this.#options;
    this.#isSending = true;
    upstream.sendHead(headBytes, head.framing.body);
    for (const content of this.#replay.chunks) upstream.sendBody(content);
    if (this.#replay.isEnded) {
      upstream.sendEnd(this.#replay.trailers);
      return;
    }
    if (this.#replay.isFull) this.#replay.giveUp();
    if (upstream.queuedBytes <= limits.streamBufferBytes) owner.resumeRequest();
  }

  onDrain(): void {
    this.#options.owner.resumeRequest();
  }

  onHead(response: ResponseHead): void {
    const { owner, plane } = this.#options;
    if (response.isInterim) {
      owner.onInterim(response);
      return;
    }
    this.#attempt?.connected(plane.clock.monotonicMs() - this.#attemptStartedMs);
    if (this.#retriesStatus(response.status)) this.#retryStatus(response.status);
    else {
      this.#isAnswering = true;
      this.#replay.giveUp();
      owner.onAnswer(response);
    }
  }

  onBody(content: Buffer): void {
    this.#options.owner.onBody(content);
  }

  onEnd(trailers: Fields | undefined): void {
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    this.#timer?.cancel();
    this.#upstream = undefined;
    this.#attempt?.finished();
    this.#attempt = undefined;
    // First of all: the client's next request may want it.
    this.#options.plane.upstreams.give(upstream);
    this.#options.owner.onAnswerEnd(trailers);
  }

  onFailed(failure: UpstreamFailure): void {
    const wasOpen = this.#upstream?.isOpen === true;
    this.#upstream = undefined;
    this.#isSending = false;
    this.#timer?.cancel();
    this.#judge(failure, wasOpen);
    if (this.#isAnswering) {
      this.#options.owner.onCutShort(failure.message);
      return;
    }
    this.#options.report.failure = failure.message;
    this.#afterFailure(failure);
  }

  // Tries.

  /** `fresh`: not over a connection that was idle. */
  #try(fresh: boolean): void {
    const { plane, router, plan, owner, report, head } = this.#options;
    const endpoints = router.endpoints(plan.target);
    if (endpoints === undefined) {
      owner.onGivenUp("unknown-service", `there is no Service ${plan.target.service}`);
      return;
    }
    const attempt = this.#pick(endpoints);
    if (attempt === undefined) {
      owner.onGivenUp("no-endpoints", endpoints.problem ?? report.failure ?? "no endpoint is left to try");
      return;
    }
    this.#attempt = attempt;
    this.#attemptStartedMs = plane.clock.monotonicMs();
    report.tried(attempt.candidate);
    const perTryMs = plan.rule?.timeouts?.perTryMs;
    if (perTryMs) this.#timer = plane.clock.after(perTryMs, () => this.#timedOut(perTryMs));
    plane.upstreams.take(this.#upstreamTarget(endpoints, attempt), this, head.method, fresh);
  }

  #pick({ candidates, loadBalancer: algorithm, ejection }: BackendEndpoints): Attempt | undefined {
    if (candidates.length === 0) return undefined;
    const { plane, facts, plan } = this.#options;
    const destination = `${plan.target.service}:${plan.target.port}`;
    const sourceAddress = facts.source.address;
    const request = { destination, candidates, algorithm, ejection, sourceAddress, ofRequests: true };
    const attempt = plane.balancers.pick({ ...request, exclude: this.#tried });
    if (attempt !== undefined || this.#retries === 0) return attempt;
    // A route's retries go to the same endpoint rather than to none.
    this.#tried.clear();
    return plane.balancers.pick(request);
  }

  #upstreamTarget({ service }: BackendEndpoints, { candidate }: Attempt): UpstreamTarget {
    const { facts, plan } = this.#options;
    const { source, table } = facts;
    return {
      candidate,
      source,
      service,
      sourceIdentity: table.identityOf(source.workload),
      destinationIdentity: candidate.workload === undefined ? undefined : table.identityOf(candidate.workload),
      connectMs: plan.rule?.timeouts?.connectMs,
    };
  }

  /** Only connects speak against an endpoint, as for connections that are not looked into. */
  #judge(failure: UpstreamFailure, wasOpen: boolean): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt === undefined) return;
    this.#tried.add(attempt.candidate.key);
    if (failure.code === "connect-failure" || failure.code === "connect-timeout") {
      attempt.failed();
      return;
    }
    if (wasOpen) attempt.connected(this.#options.plane.clock.monotonicMs() - this.#attemptStartedMs);
    attempt.finished();
  }

  #afterFailure(failure: UpstreamFailure): void {
    const { head, plan, plane, report, owner } = this.#options;
    const { method } = head;
    const retry = plan.rule?.retry;
    if (failure.code === "stale" && !this.#wasStale && isIdempotent(method) && this.#replay.isComplete) {
      // Not the endpoint's fault, nor a retry that anybody asked for.
      this.#wasStale = true;
      this.#tried.clear();
      this.#try(true);
    } else if (isUndelivered(failure) && this.#replay.isComplete && report.tries < limits.connectAttempts) {
      plane.metrics.retry();
      this.#try(false);
    } else if (retry !== undefined && retriesFailure(retry, failure, method) && this.#mayRetry()) {
      this.#retryLater();
    } else {
      owner.onGivenUp(failure.code === "stale" ? "reset" : failure.code, failure.message);
    }
  }

  #retriesStatus(status: number): boolean {
    const retry = this.#options.plan.rule?.retry;
    return retry !== undefined && retriesStatus(retry, status) && this.#mayRetry();
  }

  #retryStatus(status: number): void {
    this.#options.report.failure = `answer ${status}`;
    if (this.#attempt !== undefined) this.#tried.add(this.#attempt.candidate.key);
    this.drop();
    this.#retryLater();
  }

  /** Asked last: it takes the retry out of the budget. */
  #mayRetry(): boolean {
    const { plan, plane } = this.#options;
    const retry = plan.rule?.retry;
    if (retry === undefined || this.#retries >= retry.attempts || !this.#replay.isComplete) return false;
    if (plane.budgets.retry(plan.target.service, retry.budget)) return true;
    plane.metrics.limitHit("retry-budget");
    return false;
  }

  #retryLater(): void {
    const { plan, plane } = this.#options;
    const retry = plan.rule?.retry;
    if (retry === undefined) return;
    plane.metrics.retry();
    const delayMs = retryDelayMs(retry, this.#retries, plane.random);
    this.#retries += 1;
    this.#timer = plane.clock.after(delayMs, () => this.#try(false));
  }

  #timedOut(perTryMs: number): void {
    this.#upstream?.close("reset-by-pod");
    this.onFailed(new UpstreamFailure("per-try-timeout", `no whole answer within ${perTryMs} ms`));
  }
}
