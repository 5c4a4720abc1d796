/** HTTP requests inside a data worker: counted where they end, gathered once a second. */
import { MAX_REQUEST_SERIES, OVERFLOW_LABEL } from "./limits.ts";
import { REQUEST_SECONDS_BUCKETS, type RequestDelta, type RequestLabels } from "./metrics-batch.ts";

/** The numbers of one label set. */
class Series {
  readonly #labels: RequestLabels;
  readonly #counts = new Map<string, number>();
  readonly #buckets: number[] = Array.from({ length: REQUEST_SECONDS_BUCKETS.length + 1 }, () => 0);
  #sumSeconds = 0;

  constructor(labels: RequestLabels) {
    this.#labels = labels;
  }

  add(key: string, seconds: number): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    let bucket = 0;
    while (bucket < REQUEST_SECONDS_BUCKETS.length && seconds > (REQUEST_SECONDS_BUCKETS[bucket] as number)) {
      bucket += 1;
    }
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
    this.#sumSeconds += seconds;
  }

  delta(): RequestDelta {
    const counts = Object.fromEntries(this.#counts);
    return { labels: this.#labels, counts, buckets: this.#buckets, sumSeconds: this.#sumSeconds };
  }
}

const OTHER: RequestLabels = {
  sourceWorkload: OVERFLOW_LABEL,
  sourceNamespace: OVERFLOW_LABEL,
  destinationService: OVERFLOW_LABEL,
  route: OVERFLOW_LABEL,
  backend: OVERFLOW_LABEL,
};
const MS_PER_SECOND = 1_000;
const STATUSES_PER_CLASS = 100;

export class RequestCounts {
  readonly #onOverflow: () => void;
  /** Since the last batch: a quiet label set costs nothing. */
  readonly #series = new Map<string, Series>();

  constructor(onOverflow: () => void) {
    this.#onOverflow = onOverflow;
  }

  /**
   * `status` is undefined when the client was told nothing; `reason` comes from a fixed set in the code. `grpcStatus` is
   * that of a gRPC call, if it has come.
   */
  add(
    labels: RequestLabels,
    status: number | undefined,
    reason: string,
    durationMs: number,
    grpcStatus?: number,
  ): void {
    const codeClass = status === undefined ? "none" : `${Math.floor(status / STATUSES_PER_CLASS)}xx`;
    const key = grpcStatus === undefined ? `${codeClass} ${reason}` : `${codeClass} ${reason} ${grpcStatus}`;
    this.#of(labels).add(key, durationMs / MS_PER_SECOND);
  }

  collect(): RequestDelta[] {
    const deltas = [...this.#series.values()].map((series) => series.delta());
    this.#series.clear();
    return deltas;
  }

  #of(labels: RequestLabels): Series {
    const key = requestKey(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= MAX_REQUEST_SERIES && labels !== OTHER) {
      this.#onOverflow();
      return this.#of(OTHER);
    }
    const created = new Series(labels);
    this.#series.set(key, created);
    return created;
  }
}

/** Kubernetes names cannot contain the separator. */
export function requestKey({
  sourceNamespace,
  sourceWorkload,
  destinationService,
  route,
  backend,
}: RequestLabels): string {
  return `${sourceNamespace}|${sourceWorkload}|${destinationService}|${route}|${backend}`;
}
