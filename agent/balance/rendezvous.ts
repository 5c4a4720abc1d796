/**
 * The same endpoint for the same text, on every node: weighted rendezvous hashing. When an endpoint leaves, only its own
 * texts move; when one comes, it takes its share from all the others and nothing moves between those. A share that
 * grows takes one text after the other, each once.
 *
 * Each endpoint draws u in (0, 1) from hash(text, endpoint); the greatest -weight / ln(u) wins (Schindelhauer and
 * Schomaker, "Weighted Distributed Hash Tables", logarithmic method). Of equal weights that is the greatest u.
 */
import { combineHashes, hashText } from "../../routing/hash-text.ts";
import type { EndpointPool } from "./endpoint-pool.ts";
import type { Endpoint } from "./endpoint.ts";

export function rendezvous(pool: EndpointPool, text: string): Endpoint | undefined {
  const textHash = hashText(text);
  let winner: Endpoint | undefined;
  let highest = -1;
  for (const endpoint of pool.endpoints) {
    const hash = combineHashes(textHash, endpoint.keyHash);
    const score = pool.equalWeights ? hash : weightedScore(hash, endpoint.weight);
    if (score > highest) {
      highest = score;
      winner = endpoint;
    }
  }
  return winner;
}

function weightedScore(hash: number, weight: number): number {
  // The half keeps u off 0 and 1.
  return -weight / Math.log((hash + 0.5) / 2 ** 32);
}
