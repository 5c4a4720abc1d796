/**
 * Which endpoints of a destination stand out by how they answer requests:
 *
 *   errors in a row      judged with each error
 *   success share        every interval, of those with enough requests in it: fewer good ones than the settings say
 *   latency              every interval, of those with enough good answers in it: their median beside the siblings' one
 *
 * Nothing here waits: an interval is judged when the first outcome after its end comes, which is what was counted in it. What
 * an endpoint does while it is ejected is not counted.
 */
import type { OutlierSettings } from "../../protocol/table.ts";
import type { EjectionCause } from "./ejection.ts";
import type { Endpoint } from "./endpoint.ts";
import { LATENCY_SLACK_MS } from "./limits.ts";
import { RequestRecord } from "./request-record.ts";

export interface Outlier {
  readonly endpoint: Endpoint;
  readonly cause: EjectionCause;
  /** For a person. */
  readonly detail: string;
  /** A probe that is answered later than this does not bring it back. */
  readonly passMs?: number;
}

export class OutlierDetection {
  /** May be replaced at any time; intervals go on. */
  settings: OutlierSettings;
  #shareUntilMs = 0;
  #latencyUntilMs = 0;

  constructor(settings: OutlierSettings) {
    this.settings = settings;
  }

  /** A good answer has begun; or it is not waited for any more, and would have taken longer. */
  took(endpoint: Endpoint, latencyMs: number): void {
    if (this.settings.latency !== undefined && isServing(endpoint)) recordOf(endpoint).latencies.add(latencyMs);
  }

  /** A good answer has ended, or nobody wanted the rest of it. */
  completed(endpoint: Endpoint): void {
    if (!isServing(endpoint)) return;
    const record = recordOf(endpoint);
    record.errorsInRow = 0;
    record.good += 1;
  }

  /** Defined when these are too many in a row. */
  erred(endpoint: Endpoint): Outlier | undefined {
    if (!isServing(endpoint)) return undefined;
    const record = recordOf(endpoint);
    record.errorsInRow += 1;
    record.bad += 1;
    const { consecutiveErrors } = this.settings;
    if (consecutiveErrors === undefined || record.errorsInRow < consecutiveErrors) return undefined;
    return { endpoint, cause: "consecutive-errors", detail: `${record.errorsInRow} errors in a row` };
  }

  /** Those that stand out in the intervals that have ended, the worst first. */
  judge(endpoints: ReadonlyMap<string, Endpoint>, nowMs: number): readonly Outlier[] {
    const { successShare, latency } = this.settings;
    const outliers: Outlier[] = [];
    if (successShare !== undefined && nowMs >= this.#shareUntilMs) {
      if (this.#shareUntilMs > 0) outliers.push(...byShare(endpoints.values(), successShare));
      this.#shareUntilMs = nowMs + successShare.intervalMs;
    }
    if (latency !== undefined && nowMs >= this.#latencyUntilMs) {
      if (this.#latencyUntilMs > 0) outliers.push(...byLatency(endpoints.values(), latency));
      this.#latencyUntilMs = nowMs + latency.intervalMs;
    }
    return outliers;
  }
}

type SuccessShare = NonNullable<OutlierSettings["successShare"]>;
type Latency = NonNullable<OutlierSettings["latency"]>;

/** And begins the next interval. */
function byShare(endpoints: Iterable<Endpoint>, { percent, minRequests }: SuccessShare): readonly Outlier[] {
  const found: (Outlier & { readonly share: number })[] = [];
  for (const endpoint of endpoints) {
    const { record } = endpoint;
    if (record === undefined) continue;
    const total = record.good + record.bad;
    const share = (100 * record.good) / total;
    record.clearShare();
    if (!isServing(endpoint) || total < minRequests || share >= percent) continue;
    const detail = `${Math.floor(share)} % of ${total} requests went well`;
    found.push({ endpoint, cause: "success-share", detail, share });
  }
  return found.sort((a, b) => a.share - b.share);
}

/** And begins the next interval. */
function byLatency(endpoints: Iterable<Endpoint>, { factor, minRequests }: Latency): readonly Outlier[] {
  const measured: { readonly endpoint: Endpoint; readonly medianMs: number }[] = [];
  for (const endpoint of endpoints) {
    const latencies = endpoint.record?.latencies;
    if (latencies === undefined) continue;
    if (isServing(endpoint) && latencies.total >= minRequests)
      measured.push({ endpoint, medianMs: latencies.median() });
    latencies.clear();
  }
  // The slowest first: siblings of each are all the others, slow ones included.
  measured.sort((a, b) => b.medianMs - a.medianMs);
  return measured.flatMap(({ endpoint, medianMs }, index) => {
    const siblingsMs = middleWithout(measured, index);
    if (siblingsMs === undefined) return [];
    const passMs = siblingsMs * factor + LATENCY_SLACK_MS;
    if (medianMs <= passMs) return [];
    const detail = `median latency ${medianMs.toFixed(1)} ms, of the others ${siblingsMs.toFixed(1)} ms`;
    return [{ endpoint, cause: "latency", detail, passMs }];
  });
}

/** Undefined: there are no others. */
function middleWithout(sorted: readonly { readonly medianMs: number }[], index: number): number | undefined {
  const count = sorted.length - 1;
  const other = (at: number): number | undefined => sorted[at < index ? at : at + 1]?.medianMs;
  const above = other((count - 1) >>> 1);
  const below = other(count >>> 1);
  return count === 0 || above === undefined || below === undefined ? undefined : (above + below) / 2;
}

function isServing({ ejection }: Endpoint): boolean {
  return ejection.state === "serving";
}

function recordOf(endpoint: Endpoint): RequestRecord {
  endpoint.record ??= new RequestRecord();
  return endpoint.record;
}
