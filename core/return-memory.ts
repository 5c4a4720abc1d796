/**
 * Gives memory that the process holds without using it back to the system: once when its start is over, and every now and
 * then, for what a load has left.
 */
import type { Clock } from "./clock.ts";
import { describeError } from "./errors.ts";
import type { Log } from "./log.ts";
import { mallocTrimmer } from "./trim-malloc.ts";

export interface ReturnMemoryOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** So seldom that what is given back and touched again does not count: 20 MB are 5,000 page faults, some 5 ms. */
  readonly periodMs: number;
  /** Throws when there is no way to. */
  readonly trim?: () => void;
}

/** The table is there, certificates are, and the thread that made requests for them has ended (10 s after the last). */
const FIRST_MS = 20_000;

/** For as long as the process lives. Where it cannot be done, a debug line says so, once. */
export function returnMemoryRegularly({ clock, log, periodMs, trim = mallocTrimmer() }: ReturnMemoryOptions): void {
  const once = (): boolean => returnMemory(clock, log, trim);
  clock.after(FIRST_MS, () => {
    if (!once()) return;
    const timer = clock.every(periodMs, () => {
      if (!once()) timer.cancel();
    });
  });
}

function returnMemory(clock: Clock, log: Log, trim: () => void): boolean {
  const [before, start] = [process.memoryUsage.rss(), clock.monotonicMs()];
  try {
    trim();
  } catch (error) {
    log.debug({ event: "memory-kept", error: describeError(error) }, "Free memory cannot be given back");
    return false;
  }
  const [residentBytes, tookMs] = [process.memoryUsage.rss(), clock.monotonicMs() - start];
  const facts = { event: "memory-returned", returnedBytes: before - residentBytes, residentBytes, tookMs };
  log.debug(facts, "Free memory was given back");
  return true;
}
