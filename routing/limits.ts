/** Every bound of the routing engine, with its reason. */

/**
 * Memoised results of `TableState.derive`. An agent asks for its own node only: (services x ports x families) stay far
 * below this; a process that asks for every node starts over when it is full.
 */
export const MAX_DERIVED_RESULTS = 50_000;

/** Of `SharedValues`: names of nodes, namespaces, Services and accounts of a large cluster, a pointer each. */
export const MAX_SHARED_TEXTS = 16_384;
/** Of `SharedValues`, which keeps a text of each. Labels that no other pod has come and go: they must not pile up. */
export const MAX_SHARED_RECORDS = 4_096;

/**
 * Of what a regular expression remembers of the texts that it was tested with. A usual one needs a tenth of this; what
 * would need more (`.*a.{60}`, and paths made for it) is tested more slowly, in linear time as well. Left alone, each of
 * thousands would take 8 MB.
 */
export const MAX_EXPRESSION_BYTES = 64 * 1024;
