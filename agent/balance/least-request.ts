/**
 * Power of two choices: of two endpoints drawn at random, the one with fewer connections under way for its weight
 * (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing"). On a tie the first, so that an idle service
 * is used in proportion to its weights.
 */
import type { EndpointPool } from "./endpoint-pool.ts";
import type { Endpoint } from "./endpoint.ts";
import type { PickFacts } from "./load-balancer.ts";

export function pickLeastRequest(pool: EndpointPool, facts: PickFacts): Endpoint | undefined {
  const pair = pool.drawTwo(facts.random);
  if (pair === undefined) return undefined;
  const [first, second] = pair;
  return second.load < first.load ? second : first;
}
