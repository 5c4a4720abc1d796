/**
 * Smooth weighted round robin (nginx): at every pick each endpoint earns its weight, the richest is picked and pays the
 * sum. In any row of (sum of weights) picks each endpoint has its share, without runs of the same one.
 */
import type { EndpointPool } from "./endpoint-pool.ts";
import type { Endpoint } from "./endpoint.ts";

export function pickRoundRobin(pool: EndpointPool): Endpoint | undefined {
  let richest: Endpoint | undefined;
  for (const endpoint of pool.endpoints) {
    endpoint.credit += endpoint.weight;
    if (richest === undefined || endpoint.credit > richest.credit) richest = endpoint;
  }
  if (richest !== undefined) richest.credit -= pool.totalWeight;
  return richest;
}
