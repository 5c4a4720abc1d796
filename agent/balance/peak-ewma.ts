/** Power of two choices by expected latency: peak EWMA of the connect time, times the connections under way. */
import type { EndpointPool } from "./endpoint-pool.ts";
import type { Endpoint } from "./endpoint.ts";
import type { PickFacts } from "./load-balancer.ts";

export function pickPeakEwma(pool: EndpointPool, facts: PickFacts): Endpoint | undefined {
  const pair = pool.drawTwo(facts.random);
  if (pair === undefined) return undefined;
  const [first, second] = pair;
  return costOf(pool, second, facts.nowMs) < costOf(pool, first, facts.nowMs) ? second : first;
}

/** An endpoint of twice the average weight bears twice the connections at the same cost. */
function costOf(pool: EndpointPool, endpoint: Endpoint, nowMs: number): number {
  const relativeWeight = (endpoint.weight * pool.endpoints.length) / pool.totalWeight;
  return endpoint.latency.cost(endpoint.inFlight / relativeWeight, nowMs);
}
