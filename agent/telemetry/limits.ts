/** Bounds of what the agent remembers and queues about itself. */

/**
 * Label sets of connection metrics, per worker and in total. Beyond it connections are counted under the label set
 * "other", so that a cluster with many workloads costs neither the agent's memory (about 1 KB each) nor the scraper's.
 */
export const MAX_CONNECTION_SERIES = 5_000;

/** Label sets of HTTP requests, per worker and in total; each has a histogram, about 2 KB. Beyond it they are "other". */
export const MAX_REQUEST_SERIES = 2_000;

/** Label sets of any other counter (reasons, limits, services with ejections). */
export const MAX_COUNTER_SERIES = 500;

/** Circuit breakers that are shown. Each is of a Service, a route or a rule that a policy names. */
export const MAX_CIRCUIT_SERIES = 1_000;

/** Quotas of the mesh, which people name; as many as a worker counts. */
export const MAX_QUOTA_SERIES = 1_000;

/** A label set without an open connection that did not change for this long is dropped. */
export const SERIES_IDLE_MS = 60 * 60_000;

/** The value that stands for everything beyond a limit. */
export const OVERFLOW_LABEL = "other";

/** How long a worker gathers log lines before it posts them: short enough for `tail -f`. */
export const LOG_FLUSH_MS = 100;

/**
 * Lines gathered between two posts. More than this are dropped and counted: at most 20,000 lines a second per worker
 * reach the main thread, which can write about ten times that.
 */
export const MAX_QUEUED_LOG_LINES = 2_000;
