/**
 * The same endpoint for the same client address, on every node: weighted rendezvous hashing. When an endpoint leaves,
 * only its own clients move; when one comes, it takes its share from all the others and nothing moves between those.
 *
 * Each endpoint draws u in (0, 1) from hash(client, endpoint); the greatest -weight / ln(u) wins (Schindelhauer and
 * Schomaker, "Weighted Distributed Hash Tables", logarithmic method).
 */
import type { EndpointPool } from "./endpoint-pool.ts";
import type { Endpoint } from "./endpoint.ts";
import { combineHashes, hashText } from "../../routing/hash-text.ts";
import type { PickFacts } from "./load-balancer.ts";

export function pickSourceHash(pool: EndpointPool, facts: PickFacts): Endpoint | undefined {
  const sourceHash = hashText(facts.sourceAddress);
  let winner: Endpoint | undefined;
  let highest = -1;
  for (const endpoint of pool.endpoints) {
    // The half keeps u off 0 and 1.
    const u = (combineHashes(sourceHash, endpoint.keyHash) + 0.5) / 2 ** 32;
    const score = -endpoint.candidate.weight / Math.log(u);
    if (score > highest) {
      highest = score;
      winner = endpoint;
    }
  }
  return winner;
}
