/**
 * `npm run bench -- balance`: what the choice of an endpoint costs a connection or request, from the pick to the end, by
 * algorithm and number of endpoints. No network.
 */
import { Balancers } from "../agent/balance/balancers.ts";
import type { PickRequest } from "../agent/balance/pick-request.ts";
import { systemClock } from "../core/clock.ts";
import type { LoadBalancerAlgorithm } from "../protocol/table.ts";
import type { Candidate } from "../routing/decide-connection.ts";
import { median } from "./statistics.ts";

/** Far above the clock's grain. */
const ROUND_MS = 40;
const ROUNDS = 15;
/** Between two looks at the clock. */
const BATCH = 640;
/** Clients take turns, so that a hash is not always the same. */
const CLIENTS = 64;

const ALGORITHMS: readonly LoadBalancerAlgorithm[] = [
  "least-request",
  "peak-ewma",
  "round-robin",
  "random",
  "source-hash",
];
const COUNTS = [3, 100];

const EJECTION = { consecutiveFailures: 2, baseEjectionMs: 10_000, maxEjectionMs: 300_000, maxEjectionPercent: 50 };
const lists = new Map<number, readonly Candidate[]>();

console.log("ALGORITHM      ENDPOINTS  NS/CHOICE");
for (const algorithm of ALGORITHMS) {
  for (const count of COUNTS) {
    const balancers = new Balancers({ clock: systemClock, random: Math.random });
    const requests = Array.from({ length: CLIENTS }, (_, client) => requestOf(algorithm, count, client));
    round(balancers, requests);
    const nanoseconds = median(Array.from({ length: ROUNDS }, () => round(balancers, requests)));
    console.log(`${algorithm.padEnd(14)} ${`${count}`.padStart(9)}  ${`${Math.round(nanoseconds)}`.padStart(9)}`);
  }
}

/** Nanoseconds a choice. */
function round(balancers: Balancers, requests: readonly PickRequest[]): number {
  const startedMs = performance.now();
  let choices = 0;
  let tookMs = 0;
  while (tookMs < ROUND_MS) {
    for (let at = 0; at < BATCH; at++) choose(balancers, requests[at % CLIENTS] as PickRequest);
    choices += BATCH;
    tookMs = performance.now() - startedMs;
  }
  return (tookMs * 1e6) / choices;
}

function choose(balancers: Balancers, request: PickRequest): void {
  const attempt = balancers.pick(request);
  attempt?.connected(1);
  attempt?.finished();
}

function requestOf(algorithm: LoadBalancerAlgorithm, count: number, client: number): PickRequest {
  return {
    destination: "shop/catalog:80",
    candidates: candidates(count),
    algorithm,
    ejection: EJECTION,
    sourceAddress: `10.244.1.${client}`,
    ofRequests: true,
  };
}

/** The same list for all, as routing gives it. */
function candidates(count: number): readonly Candidate[] {
  const known = lists.get(count);
  if (known !== undefined) return known;
  const list = Array.from({ length: count }, (_, index): Candidate => {
    return {
      key: `shop/catalog-${index}:8080`,
      workload: undefined,
      address: `10.244.2.${index}`,
      port: 8080,
      weight: 100,
      transport: "tunnel",
    };
  });
  lists.set(count, list);
  return list;
}
