/**
 * Which endpoint takes the next try of one request: never one that was tried before, as long as there is another. Counts
 * as that endpoint's load until it is judged or let go.
 */
import type { RouteTarget } from "../../protocol/route-table.ts";
import type { Attempt } from "../balance/attempt.ts";
import type { ForwardPlan } from "./forward-plan.ts";
import type { HttpFacts, HttpPlane } from "./http-plane.ts";
import type { RequestHead } from "./request-head.ts";
import type { BackendEndpoints } from "./request-router.ts";
import type { UpstreamTarget } from "./upstream/dial-upstream.ts";
import type { UpstreamFailure } from "./upstream/upstream-failure.ts";
import { upstreamVersion } from "./upstream/upstream-version.ts";

export interface EndpointChoiceOptions {
  readonly plane: HttpPlane;
  readonly facts: HttpFacts;
  readonly plan: ForwardPlan;
  readonly head: RequestHead;
}

export class EndpointChoice {
  readonly #options: EndpointChoiceOptions;
  readonly #tried = new Set<string>();
  #attempt: Attempt | undefined;
  #startedMs = 0;

  constructor(options: EndpointChoiceOptions) {
    this.#options = options;
  }

  get attempt(): Attempt | undefined {
    return this.#attempt;
  }

  /** `mayRepeat`: rather an endpoint that was tried already than none. Undefined: none is left. */
  pick(endpoints: BackendEndpoints, mayRepeat: boolean): Attempt | undefined {
    const attempt = this.#pick(endpoints, mayRepeat);
    this.#attempt = attempt;
    if (attempt !== undefined) this.#startedMs = this.#options.plane.clock.monotonicMs();
    return attempt;
  }

  /** What reaching the picked endpoint takes. */
  upstreamTarget({ service }: BackendEndpoints, { candidate }: Attempt): UpstreamTarget {
    const { facts, plan, head } = this.#options;
    const { source, table } = facts;
    return {
      version: upstreamVersion(head.version, service, plan.target.port),
      candidate,
      source,
      service,
      sourceIdentity: table.identityOf(source.workload),
      destinationIdentity: candidate.workload === undefined ? undefined : table.identityOf(candidate.workload),
      connectMs: plan.rule?.timeouts?.connectMs,
    };
  }

  /** The endpoint has begun to answer. */
  answered(): void {
    this.#attempt?.connected(this.#options.plane.clock.monotonicMs() - this.#startedMs);
  }

  /** The try has failed. Only connects speak against an endpoint, as for connections that are not looked into. */
  failed({ code }: UpstreamFailure, wasOpen: boolean): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    this.exclude();
    if (code === "connect-failure" || code === "connect-timeout") {
      this.#attempt = undefined;
      attempt.failed();
      return;
    }
    if (wasOpen) this.answered();
    this.letGo();
  }

  /** Not the present one again. */
  exclude(): void {
    if (this.#attempt !== undefined) this.#tried.add(this.#attempt.candidate.key);
  }

  /** What failed was nobody's fault. */
  forgiveAll(): void {
    this.#tried.clear();
  }

  /** The try is over. */
  letGo(): void {
    this.#attempt?.finished();
    this.#attempt = undefined;
  }

  /** The try goes on without this: who calls it says when it is over. */
  handOver(): () => void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    return () => attempt?.finished();
  }

  #pick({ candidates, loadBalancer, ejection }: BackendEndpoints, mayRepeat: boolean): Attempt | undefined {
    if (candidates.length === 0) return undefined;
    const { plane, facts, plan } = this.#options;
    const request = {
      destination: destinationOf(plan.target),
      candidates,
      algorithm: loadBalancer,
      ejection,
      sourceAddress: facts.source.address,
      ofRequests: true,
    };
    const attempt = plane.balancers.pick({ ...request, exclude: this.#tried });
    if (attempt !== undefined || !mayRepeat) return attempt;
    this.#tried.clear();
    return plane.balancers.pick(request);
  }
}

function destinationOf({ service, port }: RouteTarget): string {
  return `${service}:${port}`;
}
