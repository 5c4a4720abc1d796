/** What the HTTP connections of one data worker share. */
import type { TableState } from "../../routing/table-state.ts";
import type { Balancers } from "../balance/balancers.ts";
import type { Traceparents } from "../outbound/traceparents.ts";
import type { WorkerQuotas } from "../quota/worker-quotas.ts";
import type { TunnelPool } from "../tunnel/tunnel-pool.ts";
import type { DataPlane } from "../worker/data-plane.ts";
import type { ServiceEntry, WorkloadEntry } from "../../protocol/table.ts";
import type { AdmissionGate } from "./admission.ts";
import { evenDraws } from "./even-draws.ts";
import type { HttpLimitName } from "./limits.ts";
import { CollapsedRequests } from "./resilience/collapsed-requests.ts";
import { HedgeTimes } from "./resilience/hedge-times.ts";
import { LastGoodAnswers } from "./resilience/last-good-answers.ts";
import { Mirrors } from "./resilience/mirrors.ts";
import { Protection } from "./protect/protection.ts";
import { RequestIds } from "./request-ids.ts";
import type { RequestMemory } from "./request-memory.ts";
import { RetryBudgets } from "./retry-budgets.ts";
import { Sessions } from "./session/sessions.ts";
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
  readonly sessions: Sessions;
  readonly hedges: HedgeTimes;
  readonly mirrors: Mirrors;
  readonly collapsed: CollapsedRequests;
  readonly lastGood: LastGoodAnswers;
  readonly protection: Protection;
  /** Absent: every request may go. */
  readonly admission?: AdmissionGate;
  /** In [0, 1). */
  readonly random: () => number;
  /** In [0, 1), for which backend takes a request: evenly, so that shares are exact. */
  readonly drawShare: () => number;
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
  readonly memory: RequestMemory;
}

export interface HttpPlaneOptions {
  /** Data workers of the agent. */
  readonly workers: number;
  readonly quotas: Pick<WorkerQuotas, "admit">;
  readonly random?: () => number;
}

export function createHttpPlane(plane: UpstreamPlane, options: HttpPlaneOptions): HttpPlane {
  const { workers, quotas, random = Math.random } = options;
  const onLimit = (name: HttpLimitName): void => plane.metrics.limitHit(name);
  const protection = new Protection({ ...plane, workers, quotas, random });
  const requestIds = new RequestIds();
  return {
    ...plane,
    upstreams: new Upstreams(plane),
    budgets: new RetryBudgets(plane.clock, onLimit),
    protection,
    admission: protection,
    sessions: new Sessions(plane.clock),
    hedges: new HedgeTimes(onLimit),
    mirrors: new Mirrors(),
    collapsed: new CollapsedRequests(),
    lastGood: new LastGoodAnswers(plane.clock, onLimit),
    random,
    drawShare: evenDraws(Math.random()),
    requestId: () => requestIds.next(),
  };
}
