/**
 * Durations as the Gateway API writes them (GEP-2257): one to four numbers of up to five digits, each with a unit,
 * without sign or fraction: `10s`, `1h30m`, `250ms`.
 */
export const DURATION_PATTERN = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/;

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** Undefined when the text is no duration. */
export function parseDurationMs(text: string): number | undefined {
  if (!DURATION_PATTERN.test(text)) return undefined;
  let totalMs = 0;
  for (const [, digits = "", unit = ""] of text.matchAll(/([0-9]+)(ms|h|m|s)/g)) {
    totalMs += Number(digits) * (UNIT_MS[unit] ?? 0);
  }
  return totalMs;
}
