/** What data workers and the main thread tell each other about quotas. */
import type { QuotaTerms } from "../../protocol/quota.ts";
import type { QuotaRate } from "./quota-bucket.ts";

/** What a worker has counted since it last told. */
export interface WorkerQuotaUsage extends QuotaTerms {
  readonly name: string;
  /** The time that the counts are of. */
  readonly overMs: number;
  readonly wanted: number;
  readonly admitted: number;
  /** What it was entitled to and could not keep. */
  readonly unused: number;
}

/** What a worker is entitled to from now on. */
export interface WorkerQuotaRate extends QuotaRate {
  readonly name: string;
}
