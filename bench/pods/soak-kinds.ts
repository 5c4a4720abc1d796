/** Loops of several kinds of traffic at once, until a time; how many of each there were, and of each error. */
import { setTimeout as delay } from "node:timers/promises";

export interface SoakKind {
  readonly name: string;
  /** At once. */
  readonly loops: number;
  /** A loop's own: what is sent again and again, and what is to be closed in the end. */
  readonly begin: () => SoakLoop;
}

export interface SoakLoop {
  readonly act: () => Promise<unknown>;
  readonly end?: () => void;
}

const AFTER_ERROR_MS = 20;
/** Whatever is sent has come to its end long before; what has not hangs. */
const HANGS_AFTER_MS = 10_000;

export async function runSoakKinds(
  kinds: readonly SoakKind[],
  seconds: number,
): Promise<Readonly<Record<string, number>>> {
  const endMs = performance.now() + seconds * 1_000;
  const counts: Record<string, number> = {};
  await Promise.all(kinds.flatMap((kind) => Array.from({ length: kind.loops }, () => repeat(kind, endMs, counts))));
  return counts;
}

async function repeat({ name, begin }: SoakKind, endMs: number, counts: Record<string, number>): Promise<void> {
  const { act, end } = begin();
  while (performance.now() < endMs) {
    try {
      await endsInTime(act());
      counts[name] = (counts[name] ?? 0) + 1;
    } catch (error) {
      const what = `error ${name}: ${error instanceof Error ? error.message : String(error)}`;
      counts[what] = (counts[what] ?? 0) + 1;
      await delay(AFTER_ERROR_MS);
    }
  }
  end?.();
}

async function endsInTime(ended: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  const hangs = delay(HANGS_AFTER_MS, undefined, { signal: over.signal }).then(
    () => {
      throw new Error(`did not end within ${HANGS_AFTER_MS} ms`);
    },
    () => {},
  );
  try {
    await Promise.race([ended, hangs]);
  } finally {
    over.abort();
  }
}
