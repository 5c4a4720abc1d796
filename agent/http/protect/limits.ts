/**
 * Every bound of what protects Services, each with its reason. What hits one is counted in
 * `hawser_limit_hits_total{limit="<name>"}`.
 */
export const protectLimits = {
  /**
   * Values that one rate limit tells apart, about 200 bytes each; beyond, the one that came longest ago is forgotten, and
   * starts again with a full burst.
   */
  rateLimitValues: 10_000,
  /** Things that have a queue, a breaker or buckets; beyond, the oldest is forgotten. Ten times what a large mesh writes. */
  protectedScopes: 10_000,
  /** A fault ends at the latest this long after its first request: whoever has forgotten it is not reminded by an outage. */
  faultMs: 7 * 24 * 3_600_000,
} as const;

export type ProtectLimitName = keyof typeof protectLimits;

/** A longer value (a token, a cookie) is kept as its hash: a header may have 64 KiB. */
export const LONGEST_KEPT_VALUE = 64;

/** Steps in which a breaker's window slides: a tenth of the window is how late an old error is forgotten. */
export const WINDOW_SLOTS = 10;

/** How much of a slowed answer leaves at once: short enough to look steady, long enough not to be all timers. */
export const PACE_MS = 50;
