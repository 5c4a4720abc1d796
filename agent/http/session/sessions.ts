/**
 * Sessions of clients (GEP-1619): which backend and endpoint the token of a request names, and the token that an answer
 * gives. A session holds while its endpoint can take requests, whatever becomes of the weights; then another one begins.
 */
import type { Clock } from "../../../core/clock.ts";
import type { HeaderField, RouteBackend, RouteRule, RouteTarget } from "../../../protocol/route-table.ts";
import type { Candidate } from "../../../routing/decide-connection.ts";
import type { ClientSession } from "../../../routing/http/decide-request.ts";
import type { RequestHeaders } from "../../../routing/http/request-facts.ts";
import { backendTag, endpointTag, readSessionToken, type SessionToken, writeSessionToken } from "./session-token.ts";
import { sessionField, sessionValues } from "./session-values.ts";

/** Every endpoint of a backend that can take requests, near or not: sessions are begun on other nodes too. */
export type SessionEndpoints = (backend: RouteTarget) => readonly Candidate[];

/** By which a token may be younger than now: nodes' clocks differ. */
const CLOCK_SKEW_MS = 5 * 60_000;

export class Sessions {
  readonly #clock: Clock;
  /** Both are made when a first token of a rule, or for a list of endpoints, comes. */
  readonly #backends = new WeakMap<RouteRule, ReadonlyMap<string, RouteBackend>>();
  readonly #endpoints = new WeakMap<readonly Candidate[], ReadonlyMap<string, Candidate>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined: the request begins a session. Also for backends without a weight: weights are for new sessions. */
  find(rule: RouteRule, headers: RequestHeaders, endpointsOf: SessionEndpoints): ClientSession | undefined {
    const { session } = rule;
    if (session === undefined) return undefined;
    for (const value of sessionValues(session, headers)) {
      const token = readSessionToken(value);
      if (token === undefined || !this.#isCurrent(token, session.timeoutMs)) continue;
      const backend = this.#backendsOf(rule).get(token.backend);
      const endpoint = backend && this.#endpointsOf(endpointsOf(backend)).get(token.endpoint);
      if (backend !== undefined && endpoint !== undefined) return { backend, endpoint };
    }
    return undefined;
  }

  /** What an answer tells a client whose session begins at this endpoint. Undefined: the rule keeps no sessions. */
  begin(rule: RouteRule, backend: RouteTarget, endpoint: Candidate): HeaderField | undefined {
    if (rule.session === undefined) return undefined;
    const madeMs = this.#clock.nowMs();
    const token = { backend: backendTag(rule, backend), endpoint: endpointTag(endpoint), madeMs };
    return sessionField(rule.session, writeSessionToken(token));
  }

  #isCurrent({ madeMs }: SessionToken, timeoutMs = Number.POSITIVE_INFINITY): boolean {
    const ageMs = this.#clock.nowMs() - madeMs;
    return ageMs >= -CLOCK_SKEW_MS && ageMs < timeoutMs;
  }

  #backendsOf(rule: RouteRule): ReadonlyMap<string, RouteBackend> {
    const known = this.#backends.get(rule);
    if (known !== undefined) return known;
    const usable = rule.backends.filter(({ problem }) => problem === undefined);
    const backends = new Map(usable.map((backend) => [backendTag(rule, backend), backend]));
    this.#backends.set(rule, backends);
    return backends;
  }

  #endpointsOf(candidates: readonly Candidate[]): ReadonlyMap<string, Candidate> {
    const known = this.#endpoints.get(candidates);
    if (known !== undefined) return known;
    const endpoints = new Map(candidates.map((candidate) => [endpointTag(candidate), candidate]));
    this.#endpoints.set(candidates, endpoints);
    return endpoints;
  }
}
