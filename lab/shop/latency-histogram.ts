/**
 * Latencies in buckets that grow with the value: cheap to record, to send as JSON, to add up over pods and to subtract
 * over time.
 *
 * Bucket 0..31 are single microseconds; above, every power of two is cut into 32 equal parts, so that a percentile is
 * right within 3 %, whatever its size.
 */

/** Bucket numbers and counts, only those above 0. */
export type LatencyCounts = readonly (readonly [bucket: number, count: number])[];

const PARTS_PER_OCTAVE_LOG2 = 5;
const PARTS_PER_OCTAVE = 1 << PARTS_PER_OCTAVE_LOG2;
/** 2^31 µs, 36 minutes: what takes longer counts as that. */
const MAX_MICROSECONDS = 2 ** 31 - 1;
const BUCKETS = bucketOf(MAX_MICROSECONDS) + 1;

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);

  record(latencyMs: number): void {
    const bucket = bucketOf(Math.min(MAX_MICROSECONDS, Math.max(0, Math.round(latencyMs * 1000))));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
  }

  counts(): LatencyCounts {
    const counts: [number, number][] = [];
    this.#counts.forEach((count, bucket) => {
      if (count > 0) counts.push([bucket, count]);
    });
    return counts;
  }
}

/** The latency in milliseconds below which `share` (0..1) of all lie; 0 when there are none. */
export function percentileMs(counts: LatencyCounts, share: number): number {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  let before = 0;
  for (const [bucket, count] of counts) {
    before += count;
    if (before >= total * share) return middleMicroseconds(bucket) / 1000;
  }
  return 0;
}

/** Everything of `parts` together. */
export function addCounts(parts: readonly LatencyCounts[]): LatencyCounts {
  const sum = new Map<number, number>();
  for (const counts of parts) for (const [bucket, count] of counts) sum.set(bucket, (sum.get(bucket) ?? 0) + count);
  return sortedCounts(sum);
}

/** What came since `before`. A count that went down belongs to a process that started anew: then `after` is all new. */
export function subtractCounts(after: LatencyCounts, before: LatencyCounts): LatencyCounts {
  const difference = new Map(after);
  for (const [bucket, count] of before) {
    const rest = (difference.get(bucket) ?? 0) - count;
    if (rest < 0) return after;
    difference.set(bucket, rest);
  }
  return sortedCounts(difference);
}

function sortedCounts(counts: ReadonlyMap<number, number>): LatencyCounts {
  return [...counts].filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
}

function bucketOf(microseconds: number): number {
  if (microseconds < PARTS_PER_OCTAVE) return microseconds;
  const octave = 31 - Math.clz32(microseconds) - PARTS_PER_OCTAVE_LOG2;
  return (octave << PARTS_PER_OCTAVE_LOG2) + (microseconds >>> octave);
}

function middleMicroseconds(bucket: number): number {
  if (bucket < 2 * PARTS_PER_OCTAVE) return bucket;
  const octave = (bucket >>> PARTS_PER_OCTAVE_LOG2) - 1;
  const first = (bucket - (octave << PARTS_PER_OCTAVE_LOG2)) * 2 ** octave;
  return first + 2 ** octave / 2;
}
