/** The same endpoint for the same client address. */
import type { EndpointPool } from "./endpoint-pool.ts";
import type { Endpoint } from "./endpoint.ts";
import type { PickFacts } from "./load-balancer.ts";
import { rendezvous } from "./rendezvous.ts";

export function pickSourceHash(pool: EndpointPool, { sourceAddress }: PickFacts): Endpoint | undefined {
  return rendezvous(pool, sourceAddress);
}
