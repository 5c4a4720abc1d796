/** The document that a run gives (`--json`, results/latest.json); every table and chart is made from it. */
import type { MachineCpu } from "./measure/machine-cpu.ts";
import type { MetricName, MetricValues } from "./metrics.ts";
import type { VariantName } from "./variants.ts";

export interface BenchResult {
  readonly format: 1;
  readonly startedAt: string;
  readonly seconds: number;
  readonly machine: MachineDescription;
  readonly settings: {
    readonly rounds: number;
    readonly sliceSeconds: number;
    readonly idleConnections: number;
    readonly workers: number;
  };
  readonly variants: readonly VariantDescription[];
  /** Why variants or loads were left out. */
  readonly skipped: readonly string[];
  readonly loads: readonly LoadResult[];
  readonly targets: readonly TargetResult[];
}

export interface MachineDescription {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** Name -> version of proxies and load programs. */
  readonly programs: Readonly<Record<string, string>>;
}

export interface VariantDescription {
  readonly name: VariantName;
  readonly title: string;
  /** Of the proxies before any load: resident memory, and share of one core. */
  readonly idle?: { readonly client: IdleUsage; readonly server: IdleUsage };
}

export interface IdleUsage {
  readonly residentMb: number;
  readonly cpuPercent: number;
}

export interface LoadResult {
  readonly id: string;
  readonly title: string;
  readonly unit?: string;
  readonly metrics: readonly MetricName[];
  readonly results: readonly VariantResult[];
  readonly slices: readonly Slice[];
}

/** One variant under one load. */
export interface VariantResult {
  readonly variant: VariantName;
  readonly figures: Readonly<Partial<Record<MetricName, Figure>>>;
}

export interface Figure {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** Parts of the median; absent after one round. */
  readonly spread?: number;
  /** Too far apart, or too much of the machine was taken away, to say much. */
  readonly noisy: boolean;
  /** Medians of the rounds' ratios. */
  readonly toDirect?: number;
  readonly toBestPeer?: number;
}

/** One variant under one load in one round, as it was measured. */
export interface Slice {
  readonly variant: VariantName;
  readonly round: number;
  readonly values: MetricValues;
  readonly machine: MachineCpu;
}

export interface TargetResult {
  readonly id: string;
  readonly title: string;
  /** `>= 1.4`. */
  readonly wanted: string;
  readonly reached: number;
  readonly met: boolean;
  readonly noisy: boolean;
}
