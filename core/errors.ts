/**
 * The base of every error this project throws on purpose.
 *
 * `code` is a literal union chosen by the thrower, so that the one place that turns an error into an outcome can
 * switch over it; `message` tells an operator what was tried, what was found, and what to check.
 */
export class HawserError<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "HawserError";
    this.code = code;
  }
}

/** The message of anything thrown, with its causes: `outer: inner: innermost`. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describeError(error.cause)}`;
}
