/**
 * What routing throws: a table or a change that does not fit. Routing stands alone (it also runs in a browser), so its
 * error is its own, with the same shape as every other error of this project: a literal `code` and a message.
 */
export type RoutingErrorCode =
  /** The delta belongs to another numbering of the table. */
  | "wrong-epoch"
  /** The delta is not the next one. */
  | "wrong-sequence"
  /** The delta or snapshot contradicts itself, or the table it is applied to. */
  | "corrupt-table"
  /** What was received is not a snapshot or a delta at all. */
  | "invalid-message";

export class RoutingError extends Error {
  readonly code: RoutingErrorCode;

  constructor(code: RoutingErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RoutingError";
    this.code = code;
  }
}
