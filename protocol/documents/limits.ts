/** Every bound on the documents that users write, with its reason. Beyond one of these a document is refused, with a position. */

/** A pod's document has about 500 bytes, so 15,000 pods fit into one file; parsing 8 MiB takes about 3 s. More goes into several files. */
export const MAX_FILE_BYTES = 8 * 1024 * 1024;

/** A document of 300 bytes is a short one. Empty ones cost parse time too. */
export const MAX_DOCUMENTS_PER_FILE = 25_000;

/**
 * The parser holds one document at a time, with some 500 bytes of memory per character at worst, and hostile text takes
 * more than linear time. A real document has a few KiB.
 */
export const MAX_DOCUMENT_CHARACTERS = 128 * 1024;

/** Values in one document after aliases are expanded: an alias bomb grows exponentially, a real document has some hundred. */
export const MAX_VALUES_PER_DOCUMENT = 10_000;

/** The deepest document of ours has 7 levels. */
export const MAX_DEPTH = 32;

/** What a person can read. The rest of the file is then not read: repairing these comes first. */
export const MAX_PROBLEMS_PER_FILE = 200;

/** After the first few, the parser's complaints about one document follow from each other. */
export const MAX_SYNTAX_PROBLEMS_PER_DOCUMENT = 10;

/** How much of a wrong value, or of the parser's own message about it, is repeated in a problem. */
export const MAX_QUOTED_CHARACTERS = 60;
export const MAX_MESSAGE_CHARACTERS = 200;
