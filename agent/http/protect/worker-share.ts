/**
 * What one data worker may let through of what an agent may. Workers share no state: connections come to them by a hash,
 * so each takes its part of every number, and all together never let through more than was written.
 */
import type { CircuitBreaker, ConcurrencyLimit, RateLimit } from "../../../protocol/route-table.ts";
import type { BreakerSettings } from "./circuit-breaker.ts";
import type { GateSettings } from "./concurrency-gate.ts";
import type { RateSettings } from "./rate-limiter.ts";

/** At least one: with more workers than that, the sum is what there are workers. */
export function gateShare({ maxRequests, maxWaiting, maxWaitMs }: ConcurrencyLimit, workers: number): GateSettings {
  return {
    maxRequests: Math.max(1, Math.floor(maxRequests / workers)),
    maxWaiting: Math.floor(maxWaiting / workers),
    maxWaitMs,
  };
}

export function rateShare({ requests, perMs, burst }: RateLimit, workers: number): RateSettings {
  return { requests: requests / workers, perMs, burst: Math.max(1, burst / workers) };
}

/** Each worker judges by what it sees, which is its part of the traffic. */
export function breakerShare(breaker: CircuitBreaker, workers: number): BreakerSettings {
  const { windowMs, minRequests, errorPercent, openMs, halfOpenRequests } = breaker;
  return {
    windowMs,
    minRequests: Math.ceil(minRequests / workers),
    errorPercent,
    openMs,
    halfOpenRequests: Math.ceil(halfOpenRequests / workers),
  };
}
