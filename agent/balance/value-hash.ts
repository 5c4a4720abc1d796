/** The same endpoint for the same value of a request; what has none goes where there is the least to do. */
import type { EndpointPool } from "./endpoint-pool.ts";
import type { Endpoint } from "./endpoint.ts";
import { pickLeastRequest } from "./least-request.ts";
import type { PickFacts } from "./load-balancer.ts";
import { rendezvous } from "./rendezvous.ts";

export function pickValueHash(pool: EndpointPool, facts: PickFacts): Endpoint | undefined {
  return facts.hashValue === undefined ? pickLeastRequest(pool, facts) : rendezvous(pool, facts.hashValue);
}
