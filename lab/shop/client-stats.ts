/**
 * What one client pod has seen of the services that it calls, as it stands in its stats file: plain JSON, for the view
 * and the report. Numbers only grow while the pod lives.
 */
import type { LatencyCounts } from "./latency-histogram.ts";

/** Where the answering pod runs, seen from the client. Only our own servers say it. */
export type Placement = "same-node" | "cross-node" | "unknown";

export interface ClientStats {
  /** `namespace/name` of the client pod. */
  readonly pod: string;
  readonly node: string;
  readonly updatedMs: number;
  readonly destinations: readonly DestinationStats[];
}

export interface DestinationStats {
  /** `namespace/name` of the service. */
  readonly service: string;
  /** Calls that failed before the service had settled: the cluster was still starting. Not errors. */
  readonly startupFailures: number;
  /** Calls that were not made because too many were unanswered: above 0 the wanted rate was not kept. */
  readonly skipped: number;
  /** Calls made once more because a kept-alive connection was closed under them; not errors. */
  readonly retries: number;
  readonly lastError?: string;
  readonly placements: readonly PlacementStats[];
}

export interface PlacementStats {
  readonly placement: Placement;
  readonly connections: number;
  /** Answered, once the service had settled. */
  readonly requests: number;
  /** Not answered, or answered wrongly. */
  readonly errors: number;
  /** On the connections, both ways, as the application sees them. */
  readonly bytes: number;
  readonly latency: LatencyCounts;
}
