/** What a balancing strategy is: a choice among the endpoints that may take the connection. */
import type { EndpointPool } from "./endpoint-pool.ts";
import type { Endpoint } from "./endpoint.ts";

export interface PickFacts {
  readonly sourceAddress: string;
  /** Undefined: there is none. */
  readonly hashValue?: string | undefined;
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Undefined only for an empty pool. What a strategy remembers, it keeps in the endpoints. */
export type LoadBalancer = (pool: EndpointPool, facts: PickFacts) => Endpoint | undefined;
