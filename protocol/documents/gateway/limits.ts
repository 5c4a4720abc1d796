/** Bounds on routes that the Gateway API does not have itself, with their reasons. */

/**
 * Instructions of a regular expression. A test takes at worst time in proportion to this times the text's length: for
 * the longest request line (16 KiB) that must stay far below what one request may cost everybody else on a thread.
 */
export const MAX_EXPRESSION_SIZE = 256;
