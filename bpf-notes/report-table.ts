/** Figures of one load as text: medians, and per round the ratio to the first arm of the same round (pure). */
import type { CpuReading } from "./cpu-meter.ts";
import type { LoadResult } from "./wrk.ts";

export interface Slice {
  readonly result: LoadResult;
  readonly cpu: CpuReading;
}

interface Figure {
  readonly name: string;
  readonly of: (slice: Slice) => number;
}

const FIGURES: readonly Figure[] = [
  { name: "per s", of: ({ result }) => result.unitsPerSecond },
  { name: "p50 ms", of: ({ result }) => result.p50Ms },
  { name: "agents us", of: ({ result, cpu }) => cpu.agentsUs / result.units },
  { name: "lab us", of: ({ result, cpu }) => cpu.labUs / result.units },
  { name: "machine us", of: ({ result, cpu }) => cpu.machineUs / result.units },
  { name: "softirq us", of: ({ result, cpu }) => cpu.softirqUs / result.units },
];

/** `slices[arm][round]`; a line per arm. Costs are per call, or per MiB. */
export function reportTable(arms: readonly string[], slices: readonly (readonly Slice[])[]): readonly string[] {
  const base = slices[0] ?? [];
  const heading = ["", ...FIGURES.map(({ name }) => name), "stolen"];
  const rows = arms.map((name, arm) => {
    const own = slices[arm] ?? [];
    const cells = FIGURES.map(({ of }) => {
      const value = formatFigure(median(own.map(of)));
      return arm === 0
        ? value
        : `${value} ${formatRatio(own.map((slice, round) => of(slice) / ofRound(base, round, of)))}`;
    });
    const failed = own.reduce((sum, { result }) => sum + result.failed, 0);
    return [name, ...cells, `${stolenPercent(own)} %${failed === 0 ? "" : ` (${failed} FAILED)`}`];
  });
  return alignColumns([heading, ...rows]);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function ofRound(base: readonly Slice[], round: number, of: Figure["of"]): number {
  const slice = base[round];
  return slice === undefined ? Number.NaN : of(slice);
}

/** `x0.61 [.55-.66]`: median, least and most of the rounds. */
function formatRatio(ratios: readonly number[]): string {
  return `x${median(ratios).toFixed(2)} [${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)}]`;
}

function formatFigure(value: number): string {
  return value >= 1_000 ? value.toFixed(0) : value.toPrecision(3);
}

/** Of the machine's busy time: what the hypervisor took away; above a few per cent a slice says little. */
function stolenPercent(slices: readonly Slice[]): string {
  return (100 * median(slices.map(({ cpu }) => cpu.stolenUs / (cpu.machineUs + cpu.stolenUs)))).toFixed(1);
}

function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
