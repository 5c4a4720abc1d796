/**
 * Starts an action at a steady rate whether or not earlier ones have been answered, as independent users would: a slow
 * service then shows as a long latency instead of a lower rate.
 */
import type { Clock, Timer } from "../../core/clock.ts";

export interface SteadyRate {
  readonly perSecond: number;
  /** Actions under way at once; further ones are skipped. */
  readonly maxInFlight: number;
}

/** How often due actions are looked for: short against the time between two of them at the shop's rates. */
const TICK_MS = 5;
/** After a pause of the whole process, at most this much is caught up. */
const MAX_CATCH_UP_MS = 200;

/** `action` must not reject for expected failures: those it counts by itself; others end the process. */
export function runSteadily(rate: SteadyRate, clock: Clock, action: () => Promise<void>, onSkipped: () => void): Timer {
  let dueMs = clock.monotonicMs();
  let inFlight = 0;
  const start = () => {
    inFlight++;
    void action().finally(() => {
      inFlight--;
    });
  };
  return clock.every(TICK_MS, () => {
    const nowMs = clock.monotonicMs();
    dueMs = Math.max(dueMs, nowMs - MAX_CATCH_UP_MS);
    for (; dueMs <= nowMs; dueMs += 1000 / rate.perSecond) {
      if (inFlight < rate.maxInFlight) start();
      else onSkipped();
    }
  });
}
