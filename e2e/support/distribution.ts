/** A distribution in one line, for the log of a story that states a target (pure). */

/** `p` in [0, 1]; nearest rank. `values` must not be empty. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}

/** `n=40 p50=12 p90=20 p99=31 max=31 ms`. */
export function describeDistribution(values: readonly number[]): string {
  const at = (p: number): string => quantile(values, p).toFixed(0);
  return `n=${values.length} p50=${at(0.5)} p90=${at(0.9)} p99=${at(0.99)} max=${at(1)} ms`;
}
