/**
 * Which endpoint takes the next try of one request: that of the client's session; else never one that was tried before, as
 * long as there is another. Counts as that endpoint's load until it is judged or let go.
 */
import type { ValueSource } from "../../protocol/route-table.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import type { Attempt } from "../balance/attempt.ts";
import type { PickRequest } from "../balance/pick-request.ts";
import type { Fields } from "./fields.ts";
import type { ForwardPlan } from "./forward-plan.ts";
import { type HashValue, hashValueOf } from "./hash-value.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import type { RequestHead } from "./request-head.ts";
import type { BackendEndpoints, RequestRouter } from "./request-router.ts";
import type { ResponseHead } from "./response-head.ts";
import { parseRetryAfter } from "./retry-after.ts";
import { failureOfHead, failureOfTrailers } from "./server-failure.ts";
import type { UpstreamTarget } from "./upstream/dial-upstream.ts";
import type { UpstreamFailure } from "./upstream/upstream-failure.ts";
import { upstreamVersion } from "./upstream/upstream-version.ts";
import { isOpening } from "./websocket-opening.ts";

export interface EndpointChoiceOptions {
  readonly plane: HttpPlane;
  readonly facts: HttpFacts;
  readonly router: RequestRouter;
  readonly plan: ForwardPlan;
  /** As it goes out. */
  readonly head: RequestHead;
  /** Keys of endpoints that others try beside this one. */
  readonly avoid?: ReadonlySet<string>;
}

/** With answers of these statuses, Retry-After is about the server's load. */
const MAY_ASK_FOR_PAUSE: ReadonlySet<number> = new Set([429, 503]);

/** A try that had this part of the request's time without an answer is why there is none. */
const LATE_PART = 0.9;

export class EndpointChoice {
  readonly #options: EndpointChoiceOptions;
  /** Keys of candidates; made when there is one. */
  #tried: Set<string> | undefined;
  #attempt: Attempt | undefined;
  #startedMs = 0;
  /** The same in every try. */
  #hash: HashValue | undefined;

  constructor(options: EndpointChoiceOptions) {
    this.#options = options;
    if (options.avoid !== undefined) this.#tried = new Set(options.avoid);
  }

  get attempt(): Attempt | undefined {
    return this.#attempt;
  }

  /** `mayRepeat`: rather an endpoint that was tried already than none. Undefined: none is left. */
  pick(endpoints: BackendEndpoints, mayRepeat: boolean): Attempt | undefined {
    const { endpoint } = this.#options.plan;
    const ofSession = endpoint === undefined ? undefined : this.#pickOfSession(endpoints, endpoint);
    const attempt = ofSession ?? this.#pick(endpoints, mayRepeat);
    this.#attempt = attempt;
    if (attempt !== undefined) this.#startedMs = this.#options.plane.clock.monotonicMs();
    return attempt;
  }

  /** What reaching the picked endpoint takes. */
  upstreamTarget({ service }: BackendEndpoints, { candidate }: Attempt): UpstreamTarget {
    const { facts, plan, head } = this.#options;
    // What every server takes that has WebSockets; those that take them in HTTP/2 alone have to say so.
    const version = upstreamVersion(isOpening(head) ? 1 : head.version, service, plan.target.port);
    return facts.memory.target(version, candidate, service, plan.rule?.timeouts?.connectMs);
  }

  /** The endpoint has begun to answer. What the answer is to say besides is added to its fields. */
  answered(response: ResponseHead): void {
    const { status, fields } = response;
    const cookie = this.#hash?.cookie;
    if (cookie !== undefined) fields.add(...cookie);
    this.#attempt?.answered({
      latencyMs: this.#elapsedMs,
      failure: failureOfHead(response),
      retryAfterMs: MAY_ASK_FOR_PAUSE.has(status) ? this.#retryAfterMs(fields) : undefined,
    });
  }

  /** The answer is whole. */
  ended(trailers: Fields | undefined): void {
    const failure = trailers === undefined ? undefined : failureOfTrailers(trailers);
    if (failure !== undefined) this.#attempt?.broken(failure);
    else this.#attempt?.finished();
    this.#attempt = undefined;
  }

  /** The try has failed. */
  failed({ code, message }: UpstreamFailure, wasOpen: boolean): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    this.exclude();
    this.#attempt = undefined;
    if (code === "connect-failure" || code === "connect-timeout") {
      attempt.failed();
      return;
    }
    if (wasOpen) attempt.connected(this.#elapsedMs);
    // Others are the tunnel's fault, or nobody's.
    if (code === "reset" || code === "bad-response" || code === "per-try-timeout") attempt.broken(message);
    else attempt.finished();
  }

  /** Not the present one again. */
  exclude(): void {
    if (this.#attempt === undefined) return;
    this.#tried ??= new Set();
    this.#tried.add(this.#attempt.candidate.key);
  }

  /** What failed was nobody's fault. */
  forgiveAll(): void {
    this.#tried?.clear();
  }

  /** Nobody wants the answer, or the rest of it. */
  letGo(): void {
    const requestMs = this.#options.plan.rule?.timeouts?.requestMs;
    if (requestMs && this.#elapsedMs >= requestMs * LATE_PART)
      this.#attempt?.broken(`no answer within ${requestMs} ms`);
    else this.#attempt?.finished();
    this.#attempt = undefined;
  }

  /** Another endpoint has answered, though it was asked later. */
  outrun(): void {
    this.#attempt?.outrun(this.#elapsedMs);
    this.#attempt = undefined;
  }

  /** The try goes on without this: who calls it says when it is over. */
  handOver(): () => void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    return () => attempt?.finished();
  }

  /** Undefined: it was tried, or is ejected. One that is not near has its statistics in a list of its own. */
  #pickOfSession(endpoints: BackendEndpoints, only: Candidate): Attempt | undefined {
    if (this.#tried?.has(only.key) === true) return undefined;
    const { plane, plan, router } = this.#options;
    const request = this.#request(endpoints);
    const isAmong = endpoints.candidates.some(({ key, address }) => key === only.key && address === only.address);
    if (isAmong) return plane.balancers.pick({ ...request, only });
    const candidates = router.sessionEndpoints(plan.target);
    return plane.balancers.pick({ ...request, destination: `${request.destination} sessions`, candidates, only });
  }

  #pick(endpoints: BackendEndpoints, mayRepeat: boolean): Attempt | undefined {
    if (endpoints.candidates.length === 0) return undefined;
    const { plane } = this.#options;
    const request = this.#request(endpoints);
    const attempt = plane.balancers.pick(this.#tried === undefined ? request : { ...request, exclude: this.#tried });
    if (attempt !== undefined || !mayRepeat) return attempt;
    this.#tried?.clear();
    return plane.balancers.pick(request);
  }

  #request({ destination, candidates, loadBalancer, ejection, choice, hash }: BackendEndpoints): PickRequest {
    const sourceAddress = this.#options.facts.source.address;
    const request = { destination, candidates, algorithm: loadBalancer, ejection, sourceAddress, ofRequests: true };
    if (choice === undefined && hash === undefined) return request;
    const hashValue = hash === undefined ? undefined : this.#hashValue(hash);
    return {
      ...request,
      ...(choice === undefined ? {} : { choice }),
      ...(hashValue === undefined ? {} : { hashValue }),
    };
  }

  #hashValue(source: ValueSource): string | undefined {
    if (this.#hash === undefined) {
      const { plane, facts, router, head } = this.#options;
      const { authority, path: target, fields: headers } = head;
      const { workload } = facts.source;
      const values = { source: workload, identity: router.identity, target, authority, headers };
      this.#hash = hashValueOf(source, values, plane.requestId);
    }
    return this.#hash.value;
  }

  get #elapsedMs(): number {
    return this.#options.plane.clock.monotonicMs() - this.#startedMs;
  }

  #retryAfterMs(fields: Fields): number | undefined {
    const value = fields.get("retry-after");
    return value === undefined ? undefined : parseRetryAfter(value, this.#options.plane.clock.nowMs());
  }
}
