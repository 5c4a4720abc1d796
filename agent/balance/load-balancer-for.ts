/** The strategy behind each algorithm that a document can name. */
import type { LoadBalancerAlgorithm } from "../../protocol/table.ts";
import { pickLeastRequest } from "./least-request.ts";
import type { LoadBalancer } from "./load-balancer.ts";
import { pickPeakEwma } from "./peak-ewma.ts";
import { pickRoundRobin } from "./round-robin.ts";
import { pickSourceHash } from "./source-hash.ts";
import { pickValueHash } from "./value-hash.ts";
import { pickRandom } from "./weighted-random.ts";

const LOAD_BALANCERS: Readonly<Record<LoadBalancerAlgorithm, LoadBalancer>> = {
  "least-request": pickLeastRequest,
  "peak-ewma": pickPeakEwma,
  "round-robin": pickRoundRobin,
  random: pickRandom,
  "source-hash": pickSourceHash,
  hash: pickValueHash,
};

export function loadBalancerFor(algorithm: LoadBalancerAlgorithm): LoadBalancer {
  return LOAD_BALANCERS[algorithm];
}
