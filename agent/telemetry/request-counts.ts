/** HTTP requests inside a data worker: counted where they end, gathered once a second. */
import { MAX_REQUEST_SERIES, OVERFLOW_LABEL } from "./limits.ts";
import { REQUEST_SECONDS_BUCKETS, type RequestDelta, type RequestLabels } from "./metrics-batch.ts";

/** The numbers of one label set. */
class Series {
  readonly #labels: RequestLabels;
  /** By class of status, then by reason, of gRPC calls with their status behind it. */
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #buckets: number[] = Array.from({ length: REQUEST_SECONDS_BUCKETS.length + 1 }, () => 0);
  #sumSeconds = 0;

  constructor(labels: RequestLabels) {
    this.#labels = labels;
  }

  add(codeClass: string, reason: string, seconds: number): void {
    const reasons = this.#counts.get(codeClass) ?? new Map<string, number>();
    if (reasons.size === 0) this.#counts.set(codeClass, reasons);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    let bucket = 0;
    while (bucket < REQUEST_SECONDS_BUCKETS.length && seconds > (REQUEST_SECONDS_BUCKETS[bucket] as number)) {
      bucket += 1;
    }
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
    this.#sumSeconds += seconds;
  }

  delta(): RequestDelta {
    const counts: Record<string, number> = {};
    for (const [codeClass, reasons] of this.#counts) {
      for (const [reason, count] of reasons) counts[`${codeClass} ${reason}`] = count;
    }
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
/** Label objects that are known at a time: some for each of the connections that are busy within a second. */
const MAX_NAMED_SERIES = 4_096;
const STATUSES_PER_CLASS = 100;
/** By first digit; a status has three (RFC 9110 section 15). */
const CODE_CLASSES: readonly string[] = Array.from({ length: 10 }, (_, digit) => `${digit}xx`);

export class RequestCounts {
  readonly #onOverflow: () => void;
  /** Since the last batch: a quiet label set costs nothing. */
  readonly #series = new Map<string, Series>();
  /** The same by the object that named it: connections name each of theirs by the same one. */
  readonly #named = new Map<RequestLabels, Series>();

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
    const told = grpcStatus === undefined ? reason : `${reason} ${grpcStatus}`;
    this.#of(labels).add(codeClassOf(status), told, durationMs / MS_PER_SECOND);
  }

  collect(): RequestDelta[] {
    const deltas = [...this.#series.values()].map((series) => series.delta());
    this.#series.clear();
    this.#named.clear();
    return deltas;
  }

  #of(labels: RequestLabels): Series {
    const named = this.#named.get(labels);
    if (named !== undefined) return named;
    const series = this.#byText(labels);
    if (this.#named.size >= MAX_NAMED_SERIES) this.#named.clear();
    this.#named.set(labels, series);
    return series;
  }

  #byText(labels: RequestLabels): Series {
    const key = requestKey(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= MAX_REQUEST_SERIES && labels !== OTHER) {
      this.#onOverflow();
      return this.#byText(OTHER);
    }
    const created = new Series(labels);
    this.#series.set(key, created);
    return created;
  }
}

/** A text that is there already: one for each request would have to be looked up by its letters. */
function codeClassOf(status: number | undefined): string {
  return (status === undefined ? undefined : CODE_CLASSES[Math.floor(status / STATUSES_PER_CLASS)]) ?? "none";
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
