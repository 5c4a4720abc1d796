/**
 * Exponential backoff with full jitter on the upper half: attempt n waits between half and the whole of
 * min(max, base * 2^n), so that many clients that failed together do not come back together.
 */
export interface BackoffSettings {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** The wait before retry number `attempt` (0 = the first). `random` is in [0, 1). */
export function backoffMs(settings: BackoffSettings, attempt: number, random: () => number): number {
  const ceiling = Math.min(settings.maxMs, settings.baseMs * 2 ** Math.min(attempt, 30));
  return ceiling / 2 + (ceiling / 2) * random();
}
