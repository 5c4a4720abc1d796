/** Several rate limits at once: all must agree, and what one of them refuses costs the others nothing. */
import type { RateLimit, ValueSource } from "../../../protocol/route-table.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import type { Guard } from "./rule-guards.ts";

export interface RateRefusal {
  /** The one that is longest in the way. */
  readonly part: RateLimit;
  readonly waitMs: number;
}

/** Undefined: all agree, and are charged. `valueOf`: of the request. */
export function askRates(
  rates: readonly Guard<RateLimit, RateLimiter>[],
  nowMs: number,
  valueOf: (source: ValueSource) => string | undefined,
): RateRefusal | undefined {
  let refusal: RateRefusal | undefined;
  const values = rates.map(({ part: { by } }) => (by === undefined ? undefined : valueOf(by)));
  for (let index = 0; index < rates.length; index += 1) {
    const { part, state } = rates[index] as Guard<RateLimit, RateLimiter>;
    const waitMs = state.waitMs(nowMs, values[index]);
    if (waitMs > (refusal?.waitMs ?? 0)) refusal = { part, waitMs };
  }
  if (refusal !== undefined) return refusal;
  for (let index = 0; index < rates.length; index += 1) rates[index]?.state.charge(nowMs, values[index]);
  return undefined;
}
