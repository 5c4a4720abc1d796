/**
 * Divides a capacity by demand, max-min fair: nobody gets more than an equal part as long as another one wants for more,
 * and who wants less than that leaves the rest to the others. What nobody wants is spread evenly, so that somebody whose
 * demand grows has some of it already.
 */
export function maxMinShares(capacity: number, demands: readonly number[]): number[] {
  const shares = cappedShares(capacity, demands);
  const rest = capacity - shares.reduce((sum, share) => sum + share, 0);
  return rest > 0 ? shares.map((share) => share + rest / shares.length) : shares;
}

/** The same, and what nobody wants stays where it is. */
export function cappedShares(capacity: number, demands: readonly number[]): number[] {
  const order = demands.map((demand, index) => ({ demand, index })).sort((a, b) => a.demand - b.demand);
  const shares = demands.map(() => 0);
  let left = Math.max(0, capacity);
  order.forEach(({ demand, index }, position) => {
    const share = Math.min(demand, left / (order.length - position));
    shares[index] = share;
    left -= share;
  });
  return shares;
}
