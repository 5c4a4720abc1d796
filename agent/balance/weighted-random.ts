/** Random by weight. */
import type { EndpointPool } from "./endpoint-pool.ts";
import type { Endpoint } from "./endpoint.ts";
import type { PickFacts } from "./load-balancer.ts";

export function pickRandom(pool: EndpointPool, facts: PickFacts): Endpoint | undefined {
  return pool.draw(facts.random);
}
