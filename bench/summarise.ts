/** Figures of a load out of its slices: medians, spread, and ratios within each round (pure). */
import type { Figure, Slice, VariantResult } from "./bench-result.ts";
import { METRICS, type MetricName, type MetricValues } from "./metrics.ts";
import { median, relativeSpread } from "./statistics.ts";
import { isPeer, type VariantName } from "./variants.ts";

/**
 * Rounds that lie further apart than this are marked: the ratio of two such figures may be off by as much as the
 * differences between proxies that are of interest.
 */
export const NOISY_SPREAD = 0.15;
/** A slice of which steal and other programs took more of the machine than this is not worth much: they come in bursts. */
export const NOISY_TAKEN = 0.04;
/** wrk's clock. Added latency may come out as nothing or less; a ratio to that is one to the least that can be told. */
const LEAST_ADDED_US = 1;

/** Latencies beside those of direct calls of the same round, then everything else. */
export function summariseLoad(slices: readonly Slice[], metrics: readonly MetricName[]): readonly VariantResult[] {
  const complete = withAddedLatency(slices);
  const names = [...new Set(complete.map(({ variant }) => variant))];
  return names.map((variant) => ({
    variant,
    figures: Object.fromEntries(
      metrics.flatMap((metric) => {
        const figure = figureOf(complete, variant, metric);
        return figure === undefined ? [] : [[metric, figure]];
      }),
    ),
  }));
}

/** What a variant adds to the median latency of direct calls. */
export function withAddedLatency(slices: readonly Slice[]): readonly Slice[] {
  return slices.map((slice) => {
    const direct = valueOf(slices, slice.round, "direct", "p50Us");
    const own = slice.values.p50Us;
    if (slice.variant === "direct" || direct === undefined || own === undefined) return slice;
    return { ...slice, values: { ...slice.values, addedP50Us: own - direct } satisfies MetricValues };
  });
}

function figureOf(slices: readonly Slice[], variant: VariantName, metric: MetricName): Figure | undefined {
  const own = slices.filter((slice) => slice.variant === variant && slice.values[metric] !== undefined);
  const values = own.map((slice) => slice.values[metric] ?? Number.NaN);
  if (values.length === 0) return undefined;
  const spread = relativeSpread(values);
  const disturbed = own.filter(({ machine }) => machine.steal + machine.others > NOISY_TAKEN).length;
  const toDirect = variant === "direct" ? undefined : medianRatio(slices, variant, metric, ["direct"]);
  const toBestPeer = medianRatio(slices, variant, metric, peersIn(slices, variant));
  return {
    median: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
    ...(spread === undefined ? {} : { spread }),
    noisy: (spread !== undefined && spread > NOISY_SPREAD) || disturbed > own.length / 2,
    ...(toDirect === undefined ? {} : { toDirect }),
    ...(toBestPeer === undefined ? {} : { toBestPeer }),
  };
}

/** Other peers: a peer beside itself says nothing. */
function peersIn(slices: readonly Slice[], variant: VariantName): readonly VariantName[] {
  return [...new Set(slices.map((slice) => slice.variant))].filter((name) => isPeer(name) && name !== variant);
}

/** Each round's own value over the best of the others in the same round; the median of these. */
function medianRatio(
  slices: readonly Slice[],
  variant: VariantName,
  metric: MetricName,
  others: readonly VariantName[],
): number | undefined {
  const rounds = [...new Set(slices.map(({ round }) => round))];
  const ratios = rounds.flatMap((round) => {
    const own = valueOf(slices, round, variant, metric);
    const rest = others.map((name) => valueOf(slices, round, name, metric)).filter((value) => value !== undefined);
    if (own === undefined || rest.length === 0) return [];
    const best = METRICS[metric].better === "higher" ? Math.max(...rest) : Math.min(...rest);
    if (metric === "addedP50Us") return [own / Math.max(best, LEAST_ADDED_US)];
    return best === 0 ? [] : [own / best];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}

function valueOf(
  slices: readonly Slice[],
  round: number,
  variant: VariantName,
  metric: MetricName,
): number | undefined {
  return slices.find((slice) => slice.round === round && slice.variant === variant)?.values[metric];
}
