/** What requests have said of one endpoint: the errors in a row, and what came in the present interval. */
import { LatencyHistogram } from "./latency-histogram.ts";

export class RequestRecord {
  /** Since the last request that went well to its end. */
  errorsInRow = 0;
  /** Of the interval of the success share. */
  good = 0;
  bad = 0;
  /** Of the interval of the latency: of good answers, as errors are fast, and of those that were outrun. */
  readonly latencies = new LatencyHistogram();

  clear(): void {
    this.errorsInRow = 0;
    this.clearShare();
    this.latencies.clear();
  }

  clearShare(): void {
    this.good = 0;
    this.bad = 0;
  }
}
