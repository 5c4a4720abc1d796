/** What the bench's main process and a process full of simulated agents tell each other. */
import type { LatencyCounts } from "../../lab/shop/latency-histogram.ts";

export interface FleetSettings {
  readonly url: string;
  /** The controller's state directory: join tokens and the root certificate. */
  readonly controllerState: string;
  readonly firstNode: number;
  readonly agents: number;
}

export type ToFleet =
  | ({ readonly kind: "start" } & FleetSettings)
  /** Answered with `FleetState`. */
  | { readonly kind: "state"; readonly withLatencies: boolean }
  | { readonly kind: "forget-latencies" }
  /** Cuts every agent's connection at once. */
  | { readonly kind: "cut" }
  /** Answered with `FleetTables`. */
  | { readonly kind: "tables" };

export interface FleetState {
  readonly kind: "state";
  readonly connected: number;
  /** Agents by the sequence that they have in force, all of the newest epoch; -1: no table, or another epoch. */
  readonly epoch: string | undefined;
  readonly leastSequence: number;
  /** Nodes of the table that have an agent. */
  readonly markedNodes: number;
  readonly snapshots: number;
  readonly deltas: number;
  readonly refused: number;
  readonly latencies: LatencyCounts;
  readonly maxLatencyMs: number;
  readonly samples: number;
}

export interface FleetTables {
  readonly kind: "tables";
  /** Of the shared table, and of the one agent that shares nothing: JSON of their snapshots. */
  readonly shared: string;
  readonly own: string;
}

export type FromFleet = { readonly kind: "ready" } | FleetState | FleetTables;
