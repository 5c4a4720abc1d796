/**
 * What an agent knows of endpoints from having used them: `GET /endpoints?service=shop/catalog` of its admin port. It is
 * kept in each of its data workers, and for what was used lately only. Likewise of what protects requests, below.
 */
import type { QuotaTerms } from "./quota.ts";
import type { RateLimit } from "./route-table.ts";

export interface LiveEndpoints {
  readonly node: string;
  readonly service: string;
  readonly endpoints: readonly LiveEndpoint[];
}

/** One endpoint, as one data worker sees it. */
export interface LiveEndpoint {
  readonly worker: number;
  /** `shop/catalog:80`, with the name of the subset behind it where there is one. */
  readonly destination: string;
  /** Chosen for requests; else for connections. */
  readonly ofRequests: boolean;
  /** Key of the candidate: `shop/catalog-1:8080`. */
  readonly endpoint: string;
  readonly address: string;
  /** What it has of its weight now, while it grows again or others help out; absent: all. */
  readonly weightNow?: number;
  /** `probing`: one connection or request is finding out. */
  readonly state: "serving" | "ejected" | "probing";
  /** Of one that does not serve: how long until it may be tried. */
  readonly ejectedForMs?: number;
  /** It has asked to be left alone (Retry-After): for how much longer. */
  readonly pausedForMs?: number;
  readonly inFlight: number;
}

/**
 * What protects requests, as it stands: `GET /protection?scope=Service+shop/catalog&quota=checkout` of an agent's admin port,
 * each as often as wanted. Of what no request has met there is no state.
 */
export interface LiveProtection extends WorkerProtection {
  readonly node: string;
  /** Of the agent as a whole. */
  readonly quotas: readonly LiveQuota[];
}

/** Data workers keep it each for itself, and have their part of every number. */
export interface WorkerProtection {
  readonly breakers: readonly LiveBreaker[];
  readonly gates: readonly LiveGate[];
  readonly rates: readonly LiveRate[];
}

export interface LiveBreaker {
  readonly worker: number;
  readonly scope: string;
  /** Open until somebody asks, even when it is time. */
  readonly state: "closed" | "open" | "half-open";
  /** In the window; of one that is not closed, in the window that opened it. */
  readonly requests: number;
  readonly errors: number;
  /** Until the next request is let through; 0: one may go now. */
  readonly closedForMs: number;
  /** Of half-open ones: good so far, and what it takes. */
  readonly probes?: { readonly good: number; readonly wanted: number };
}

export interface LiveGate {
  readonly worker: number;
  readonly scope: string;
  readonly inside: number;
  readonly maxRequests: number;
  readonly waiting: number;
  readonly maxWaiting: number;
}

export interface LiveRate {
  readonly worker: number;
  readonly scope: string;
  /** Which of the scope's limits it is: as the table has it. */
  readonly limit: RateLimit;
  /** Of the burst, requests that may come now: of all, or of those without a value. */
  readonly left: number;
  readonly burst: number;
  /** Values that are told apart now, and what the busiest of them has left. */
  readonly values?: { readonly count: number; readonly fewestLeft: number };
}

export interface LiveQuota extends QuotaTerms {
  readonly name: string;
  /** `alone`: without a lease it takes its fair share. */
  readonly standing: "asking" | "leased" | "alone";
  /** In requests per `perMs`, its part of the reserve included. */
  readonly share: number;
  /** Of a lease: how long it is good without another answer. */
  readonly leaseEndsInMs?: number;
}
