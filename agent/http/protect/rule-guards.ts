/** What protects the requests of one rule: the parts of its policies, each with the state that it shares with other rules. */
import type {
  CircuitBreaker as BreakerPart,
  ConcurrencyLimit,
  Fault,
  RateLimit,
  RouteRule,
} from "../../../protocol/route-table.ts";
import type { CircuitBreaker } from "./circuit-breaker.ts";
import type { ConcurrencyGate } from "./concurrency-gate.ts";
import type { RateLimiter } from "./rate-limiter.ts";

export interface Guard<P, S> {
  readonly part: P;
  readonly state: S;
}

export interface RuleGuards {
  readonly rates: readonly Guard<RateLimit, RateLimiter>[];
  /** With the end that holds here. */
  readonly faults: readonly Fault[];
  readonly breaker?: Guard<BreakerPart, CircuitBreaker>;
  readonly concurrency?: Guard<ConcurrencyLimit, ConcurrencyGate>;
  /** The same of a rule whose equal requests are sent once: a place for each that is sent (placed-request.ts). */
  readonly places?: Guard<ConcurrencyLimit, ConcurrencyGate>;
}

/** Whether anything here is about its requests: all that a rule without protection costs. */
export function isProtected({ sizes, rateLimits, quotas, faults, breaker, concurrency }: RouteRule): boolean {
  return (
    sizes !== undefined ||
    rateLimits !== undefined ||
    quotas !== undefined ||
    faults !== undefined ||
    breaker !== undefined ||
    concurrency !== undefined
  );
}
