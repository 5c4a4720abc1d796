/**
 * Which faults a request gets. Each is drawn for itself, with the share of the requests that it is for; of several, the
 * longest delay, the first abort and the narrowest bandwidth hold.
 */
import type { Fault, RequestCondition } from "../../../protocol/route-table.ts";

export interface FaultDraw {
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly isSatisfied: (condition: RequestCondition) => boolean;
}

export interface DrawnFaults {
  readonly delay?: Fault & { readonly delayMs: number };
  readonly abort?: Fault & { readonly abort: NonNullable<Fault["abort"]> };
  readonly bandwidth?: Fault & { readonly bytesPerSecond: number };
}

const PERCENT = 100;

/** Undefined: none. `nowMs`: of the wall clock, by which a fault ends. */
export function drawFaults(faults: readonly Fault[], draw: FaultDraw): DrawnFaults | undefined {
  let drawn: { -readonly [K in keyof DrawnFaults]: DrawnFaults[K] } | undefined;
  for (const fault of faults) {
    if (!hits(fault, draw)) continue;
    drawn ??= {};
    if (fault.delayMs !== undefined && fault.delayMs > (drawn.delay?.delayMs ?? 0)) {
      drawn.delay = { ...fault, delayMs: fault.delayMs };
    }
    if (fault.abort !== undefined) drawn.abort ??= { ...fault, abort: fault.abort };
    if (fault.bytesPerSecond !== undefined && fault.bytesPerSecond < (drawn.bandwidth?.bytesPerSecond ?? Infinity)) {
      drawn.bandwidth = { ...fault, bytesPerSecond: fault.bytesPerSecond };
    }
  }
  return drawn;
}

/** Dice last: they are not thrown for those that it is not for. */
function hits({ untilMs, when, percent }: Fault, { nowMs, random, isSatisfied }: FaultDraw): boolean {
  if (nowMs >= untilMs) return false;
  if (when !== undefined && !isSatisfied(when)) return false;
  return percent >= PERCENT || random() * PERCENT < percent;
}
