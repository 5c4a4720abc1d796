/** Waits for something that happens soon, by looking again and again; stories never sleep for a guessed time. */

export interface EventuallyOptions {
  readonly timeoutMs: number;
  readonly everyMs?: number;
}

const DEFAULT_EVERY_MS = 25;

/**
 * Resolves with the first value of `look` that is neither undefined nor false. Rejects after the time with `what`, and
 * with the last error of `look` as its cause.
 */
export async function eventually<T>(
  what: string,
  options: EventuallyOptions,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadlineMs = performance.now() + options.timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadlineMs) throw new Error(`Waited ${options.timeoutMs} ms for ${what}`, { cause });
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? DEFAULT_EVERY_MS));
  }
}
