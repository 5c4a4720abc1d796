/** Quantities for a person: few digits, and widths that do not jump from one second to the next. */

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"] as const;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `1.2 MB`; decimal units. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < BYTE_UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? Math.round(value) : value.toPrecision(3)} ${BYTE_UNITS[unit]}`;
}

/** Milliseconds with three digits that count: `0.42`, `12.3`, `512`. */
export function formatMs(ms: number): string {
  if (ms >= 100) return ms.toFixed(0);
  return ms >= 10 ? ms.toFixed(1) : ms.toFixed(2);
}

/** `45 s`, `12 min`, `23.9 h`, `364 d`; what has passed already is `expired`. */
export function formatRemaining(ms: number): string {
  if (ms <= 0) return "expired";
  if (ms < 2 * MINUTE_MS) return `${Math.floor(ms / 1000)} s`;
  if (ms < 2 * HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`;
  return ms < 2 * DAY_MS ? `${(ms / HOUR_MS).toFixed(1)} h` : `${Math.floor(ms / DAY_MS)} d`;
}

/** `12,345`. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}
