/** Bounds on what TrafficPolicy, RequestMatch and Subset say, with their reasons. */

/** Of one list: identities, namespaces, claims, values. Each is compared with every request's. */
export const MAX_CONDITION_VALUES = 64;

/** Each is asked for every request. */
export const MAX_RATE_LIMITS = 8;
export const MAX_FAULTS = 8;

/** A static answer travels in the table to every agent, for every rule that it is for. */
export const MAX_FALLBACK_BODY_CHARACTERS = 16 * 1024;

/** As many as a filter may set. */
export const MAX_HEADERS = 16;

/** Of requests and such: far above what one agent carries in the longest window, and exact as a number. */
export const MAX_REQUESTS = 1_000_000;

/** Of requests that wait, each of which holds its connection and its buffers. */
export const MAX_WAITING = 10_000;
