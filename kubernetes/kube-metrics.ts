/** What a client and its reflectors tell whoever counts. Every hook may be missing. */
import type { KubeLimitName } from "./limits.ts";

/** Why a watch is not there any more; `ended` and `expired` are the usual life of one. */
export type WatchEnd = "ended" | "expired" | "broken" | "silent" | "refused";

export interface KubeMetrics {
  /** `status` 0: no answer. */
  request?(verb: string, status: number, seconds: number): void;
  limitHit?(limit: KubeLimitName): void;
  /** A whole list was read and put in place of what was known. */
  listed?(resource: string, objects: number): void;
  watchEnded?(resource: string, end: WatchEnd): void;
  /** An event that was known already, or is older than what is known. */
  staleEvent?(resource: string): void;
}
