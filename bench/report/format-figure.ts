/** Figures with as many digits as count: `38,412`, `412`, `41.2`, `4.12`, `0.41`. */

export function formatFigure(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en-US");
  if (size >= 10) return value.toFixed(1);
  return value === 0 ? "0" : value.toFixed(2);
}
