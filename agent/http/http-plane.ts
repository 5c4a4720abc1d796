/** What the HTTP connections of one data worker share. */
import { randomUUID } from "node:crypto";
import type { TableState } from "../../routing/table-state.ts";
import type { Balancers } from "../balance/balancers.ts";
import type { Traceparents } from "../outbound/traceparents.ts";
import type { TunnelPool } from "../tunnel/tunnel-pool.ts";
import type { DataPlane } from "../worker/data-plane.ts";
import type { ServiceEntry, WorkloadEntry } from "../../protocol/table.ts";
import type { AdmissionGate } from "./admission.ts";
import { RetryBudgets } from "./retry-budgets.ts";
import { Upstreams } from "./upstream/upstreams.ts";

/** What reaching an endpoint needs. */
export interface UpstreamPlane extends DataPlane {
  readonly pool: TunnelPool;
  readonly balancers: Balancers;
  readonly traceparents: Traceparents;
}

export interface HttpPlane extends UpstreamPlane {
  readonly upstreams: Upstreams;
  readonly budgets: RetryBudgets;
  /** Absent: every request may go. */
  readonly admission?: AdmissionGate;
  /** In [0, 1). */
  readonly random: () => number;
  /** A new value of `x-request-id`. */
  readonly requestId: () => string;
}

/** The pod that asks. */
export interface HttpSource {
  readonly workload: WorkloadEntry;
  readonly address: string;
  readonly port: number;
  /** See DialledAddress. */
  readonly redirected: boolean;
}

/** Of the connection that the requests came over. */
export interface HttpFacts {
  readonly source: HttpSource;
  /** The Service that was dialled, and its port. */
  readonly service: ServiceEntry;
  readonly port: number;
  /** `ip:port`, as dialled. */
  readonly dialled: string;
  /** When the connection was accepted. Decisions follow the newest table, names in logs this one. */
  readonly table: TableState;
}

export function createHttpPlane(plane: UpstreamPlane): HttpPlane {
  return {
    ...plane,
    upstreams: new Upstreams(plane),
    budgets: new RetryBudgets(plane.clock, (name) => plane.metrics.limitHit(name)),
    random: Math.random,
    requestId: randomUUID,
  };
}
