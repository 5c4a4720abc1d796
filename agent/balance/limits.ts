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

/** While a share grows, it is looked at this often: of the shortest sensible window, ten seconds, a hundredth. */
export const GROWTH_STEP_MS = 100;

/** The part of its weight with which an endpoint returns: enough to be judged again, too little to do harm. */
export const RETURN_FIRST_SHARE = 0.1;

/**
 * The longest pause that an endpoint gets (Retry-After): what asks for more is as a rule a limit of one client, or a page
 * about maintenance, which the endpoint's readiness tells better. Hits are counted.
 */
export const MAX_PAUSE_MS = 60_000;

/** After a pause its share grows for as long as the pause was, and no longer than this, unless the policy says so. */
export const MAX_PAUSE_RETURN_MS = 10_000;

/**
 * An endpoint is slow only when it is also this much slower than its siblings: of two endpoints, one on this node and one
 * two zones away, the farther one takes many times as long, and is as good.
 */
export const LATENCY_SLACK_MS = 10;
