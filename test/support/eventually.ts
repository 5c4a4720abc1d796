/** Waits until something is true in another process or on another socket; never longer than it takes. */
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 5;

/** Resolves with the first value that is not undefined or false; rejects with `what` after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadlineMs) throw new Error(`Timed out waiting: ${what}`);
    await sleep(POLL_MS);
  }
}
