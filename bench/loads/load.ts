/** A load: traffic of one kind that is sent over each variant in turns, in slices of equal length. */
import type { MetricName, MetricValues } from "../metrics.ts";
import type { Variant } from "../world/variant.ts";

export interface LoadSettings {
  readonly sliceSeconds: number;
  readonly idleConnections: number;
}

export interface Load {
  /** `calls-64`. */
  readonly id: string;
  /** `calls`: chooses all loads of a kind. */
  readonly group: string;
  readonly title: string;
  /** What CPU time is counted per. */
  readonly unit?: "call" | "connection" | "MiB";
  /** Columns of the table, in order. */
  readonly metrics: readonly MetricName[];
  /** `once`: memory that a process has grown by is not given back, so only its first time counts. */
  readonly repeat: "every round" | "once";
  /** What a slice takes from beginning to end, for the time that is left. */
  readonly secondsPerSlice: (settings: LoadSettings) => number;
  readonly suits: (variant: Variant) => boolean;
  readonly run: (variant: Variant, settings: LoadSettings) => Promise<MetricValues>;
}
