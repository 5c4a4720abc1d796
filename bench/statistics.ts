/** Figures out of repeated measurements (pure). */

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Between two values in proportion, as most statistics packages do by default. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = fraction * (sorted.length - 1);
  const lower = sorted[Math.floor(position)] ?? Number.NaN;
  const upper = sorted[Math.ceil(position)] ?? Number.NaN;
  return lower + (upper - lower) * (position - Math.floor(position));
}

/** From this many values on, the quartiles say more than the extremes: one bad slice is not the rule. */
const QUARTILES_FROM = 5;

/**
 * How far the values lie apart, in parts of their median: the quartiles of five and more, else least and most.
 * Undefined for a single value, which says nothing about it.
 */
export function relativeSpread(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined;
  const margin = values.length >= QUARTILES_FROM ? 0.25 : 0;
  return (quantile(values, 1 - margin) - quantile(values, margin)) / Math.abs(median(values));
}
