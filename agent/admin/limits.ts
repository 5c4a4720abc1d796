/** Bounds of the ports for probes and scrapers. */

/** A scraper, a probe and a few people. */
export const MAX_CONNECTIONS = 64;

/** A client on the same machine that has not sent its request by then never will. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** How often a taken port is tried again: a leaving agent frees it any moment, and a failed try costs microseconds. */
export const PORT_RETRY_MS = 250;
