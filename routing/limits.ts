/** Every bound of the routing engine, with its reason. */

/**
 * Memoised results of `TableState.derive`. An agent asks for its own node only: (services x ports x families) stay far
 * below this; a process that asks for every node starts over when it is full.
 */
export const MAX_DERIVED_RESULTS = 50_000;
