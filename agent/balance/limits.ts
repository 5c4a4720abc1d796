/** Bounds of the balancing state of one data worker. */

/**
 * Destinations (addresses and ports that pods dial) whose balancing state is kept. Beyond it the longest unused one is
 * forgotten, which costs only its statistics. A node's pods rarely talk to more than some hundred.
 */
export const MAX_DESTINATIONS = 10_000;

/** An unused destination is forgotten after this long: longer than any sensible `maxEjection`. */
export const DESTINATION_IDLE_MS = 15 * 60_000;

/** How often unused destinations are looked for. */
export const SWEEP_PERIOD_MS = 60_000;

/**
 * A probe that has not reported an outcome after this long no longer keeps others from probing. Longer than connect,
 * handshake and CONNECT timeouts together.
 */
export const PROBE_PATIENCE_MS = 60_000;

/** First ejection of an endpoint that never took a connection: a new pod's certificate is there within some 100 ms. */
export const NEWCOMER_EJECTION_MS = 250;
