/** Bounds and timers of the Kubernetes source, each with its reason. Hits are counted in `hawser_kubernetes_limit_hits_total`. */
export const limits = {
  /** Problems of objects that are told at a time, in /status and the log; the rest is told as a number. */
  problems: 200,
  /** Characters of one object's problem. */
  problemCharacters: 300,
  /** Events that wait to be written: what comes beyond is not told, the status and the log have it all the same. */
  waitingEvents: 200,
  /** Events remembered, to add to their count instead of writing another one. */
  knownEvents: 1_000,
  /** Events written at once, and every second: client-go's own spam filter is not much more generous. */
  eventBurst: 20,
  eventsPerSecond: 1,
  /** Characters of an Event's message (core/v1 validation). */
  eventMessageCharacters: 1_024,
  /** Statuses of routes written in one look, of which there is one a second. */
  routeStatusesAtOnce: 10,
} as const;

export type SourceLimitName = keyof typeof limits;

export const timers = {
  /** Changes within this time reach the table together: a Deployment that scales changes pods and slices at once. */
  settleMs: 10,
  /** Changes that follow each other without a pause are handed on this often. */
  longestBatchMs: 50,
  /** How often it is looked whether the last good settings are stored, and whether this replica is to do it. */
  storeCheckMs: 5_000,
  /** An Event that could not be written for this long, because no replica was the leader, is old news. */
  eventAgeMs: 120_000,
} as const;
