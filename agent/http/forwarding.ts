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
import { limits } from "../limits.ts";
import { EndpointChoice } from "./endpoint-choice.ts";
import type { Fields } from "./fields.ts";
import { withTimeLeft } from "./grpc/deadline.ts";
import { httpLimits } from "./limits.ts";
import { ReplayBuffer } from "./replay-buffer.ts";
import type { CarrierOptions, RequestCarrier, UpgradedConnection } from "./request-carrier.ts";
import type { RequestHead } from "./request-head.ts";
import type { ResponseHead } from "./response-head.ts";
import { isIdempotent, retriesAnswer, retriesFailure, retryDelayMs } from "./retry-rules.ts";
import { isUndelivered, UpstreamFailure } from "./upstream/upstream-failure.ts";
import type { UpstreamRequest, UpstreamUser } from "./upstream/upstream-request.ts";

/** One without fields, about. */
const INTERIM_BYTES = 32;

export class Forwarding implements RequestCarrier, UpstreamUser {
  readonly #options: CarrierOptions;
  readonly #replay = new ReplayBuffer();
  readonly #choice: EndpointChoice;
  #retries = 0;
  /** Rather at the same endpoint than at none: a route's retries, and what was refused because its connection ended. */
  #mayRepeat = false;
  #wasStale = false;
  #upstream: UpstreamRequest | undefined;
  /** The head is on its way to the present endpoint, and the body follows as it comes. */
  #isSending = false;
  #isAnswering = false;
  /** Of all interim answers. */
  #interimBytes = 0;
  /** Of a try, or of the wait before one. */
  #timer: Timer | undefined;

  constructor(options: CarrierOptions) {
    this.#options = options;
    this.#choice = new EndpointChoice(options);
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

  drop(isOutrun = false): void {
    this.#timer?.cancel();
    const upstream = this.#upstream;
    this.#upstream = undefined;
    this.#isSending = false;
    if (isOutrun) this.#choice.outrun();
    else this.#choice.letGo();
    upstream?.cancel();
  }

  handOver(): UpgradedConnection | undefined {
    const upgraded = this.#upstream?.upgraded();
    if (upgraded === undefined) return undefined;
    const ended = this.#choice.handOver();
    this.#timer?.cancel();
    this.#upstream = undefined;
    return {
      handOver: (relay) => upgraded.handOver(relay),
      relayEnded: (reason) => {
        ended();
        upgraded.relayEnded(reason);
      },
    };
  }

  // UpstreamUser.

  onTaken(upstream: UpstreamRequest): void {
    this.#upstream = upstream;
    this.#isSending = false;
  }

  onReady(): void {
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    const { owner } = this.#options;
    this.#isSending = true;
    upstream.sendHead(this.#head);
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

  onInterim(head: ResponseHead): void {
    this.#interimBytes += INTERIM_BYTES + head.fields.writtenBytes;
    if (this.#interimBytes <= httpLimits.interimBytes) this.#options.owner.onInterim(head);
    else this.#tooManyInterim();
  }

  onHead(response: ResponseHead): void {
    this.#choice.answered(response);
    if (this.#retriesAnswer(response)) this.#retryAnswer(response);
    else {
      this.#isAnswering = true;
      this.#replay.giveUp();
      this.#options.owner.onAnswer(response);
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
    this.#choice.ended(trailers);
    // First of all: the client's next request may want the connection.
    upstream.finish();
    this.#options.owner.onAnswerEnd(trailers);
  }

  onFailed(failure: UpstreamFailure): void {
    const wasOpen = this.#upstream?.isOpen === true;
    this.#upstream = undefined;
    this.#isSending = false;
    this.#timer?.cancel();
    this.#choice.failed(failure, wasOpen);
    if (this.#isAnswering) {
      this.#options.owner.onCutShort(failure.message, failure.resetCode);
      return;
    }
    this.#options.report.failure = failure.message;
    this.#afterFailure(failure);
  }

  // Tries.

  get #head(): RequestHead {
    const { head, deadlineMs, plane } = this.#options;
    return deadlineMs === undefined ? head : withTimeLeft(head, deadlineMs - plane.clock.monotonicMs());
  }

  /** `fresh`: not over a connection that was idle. */
  #try(fresh: boolean): void {
    const { plane, router, plan, owner, report } = this.#options;
    const endpoints = router.endpoints(plan.target);
    if (endpoints === undefined) {
      owner.onGivenUp("unknown-service", `there is no Service ${plan.target.service}`);
      return;
    }
    const attempt = this.#choice.pick(endpoints, this.#mayRepeat);
    if (attempt === undefined) {
      owner.onGivenUp("no-endpoints", endpoints.problem ?? report.failure ?? "no endpoint is left to try");
      return;
    }
    report.tried(attempt.candidate);
    const perTryMs = plan.rule?.timeouts?.perTryMs;
    if (perTryMs) this.#timer = plane.clock.after(perTryMs, () => this.#timedOut(perTryMs));
    plane.upstreams.take(this.#choice.upstreamTarget(endpoints, attempt), this, fresh);
  }

  #afterFailure(failure: UpstreamFailure): void {
    const { head, plan, plane, report, owner } = this.#options;
    const { method } = head;
    const retry = plan.rule?.retry;
    if (failure.code === "stale" && !this.#wasStale && isIdempotent(method) && this.#replay.isComplete) {
      // Not the endpoint's fault, nor a retry that anybody asked for.
      this.#wasStale = true;
      this.#choice.forgiveAll();
      this.#try(true);
    } else if (isUndelivered(failure) && this.#replay.isComplete && report.tries < limits.connectAttempts) {
      plane.metrics.retry();
      this.#mayRepeat ||= failure.code === "refused-stream";
      this.#try(false);
    } else if (retry !== undefined && retriesFailure(retry, failure, method) && this.#mayRetry()) {
      this.#retryLater();
    } else {
      owner.onGivenUp(failure.code === "stale" ? "reset" : failure.code, failure.message);
    }
  }

  #retriesAnswer(response: ResponseHead): boolean {
    const retry = this.#options.plan.rule?.retry;
    return retry !== undefined && retriesAnswer(retry, response) && this.#mayRetry();
  }

  #retryAnswer(response: ResponseHead): void {
    this.#options.report.failure = `answer ${response.status}`;
    this.#choice.exclude();
    this.drop();
    this.#retryLater();
  }

  /** Asked last: it takes the retry out of the budget. */
  #mayRetry(): boolean {
    const { plan, plane } = this.#options;
    const retry = plan.rule?.retry;
    if (retry === undefined || this.#options.onlyOnce === true) return false;
    if (this.#retries >= retry.attempts || !this.#replay.isComplete) return false;
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
    this.#mayRepeat = true;
    this.#timer = plane.clock.after(delayMs, () => this.#try(false));
  }

  #tooManyInterim(): void {
    this.#options.plane.metrics.limitHit("interimBytes");
    this.#upstream?.cancel();
    const detail = `the server sends more than ${httpLimits.interimBytes} bytes of interim answers`;
    this.onFailed(new UpstreamFailure("bad-response", detail));
  }

  #timedOut(perTryMs: number): void {
    this.#upstream?.cancel();
    this.onFailed(new UpstreamFailure("per-try-timeout", `no whole answer within ${perTryMs} ms`));
  }
}
