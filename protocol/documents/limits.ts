/** Every bound on the documents that users write, with its reason. Beyond one of these a document is refused, with a position. */

/** A pod's document has about 500 bytes, so 15,000 pods fit into one file; parsing 8 MiB takes about 3 s. More goes into several files. */
export const MAX_FILE_BYTES = 8 * 1024 * 1024;

/** The parser holds one document at a time, about 200 bytes of memory per byte at worst. etcd stores no object over 1.5 MiB, ours have a few KiB. */
export const MAX_DOCUMENT_CHARACTERS = 512 * 1024;

/** Values in one document after aliases are expanded: an alias bomb grows exponentially, a real document has some hundred. */
export const MAX_VALUES_PER_DOCUMENT = 20_000;

/** The deepest document of ours has 7 levels. */
export const MAX_DEPTH = 32;

/** What a person can read; the number of the rest is told. */
export const MAX_PROBLEMS_PER_FILE = 200;

/** How much of a wrong value is repeated in a problem. */
export const MAX_QUOTED_CHARACTERS = 60;
