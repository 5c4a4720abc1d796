/**
 * Whether a request speaks against the thing that it went to: an answer that says so, or none where there should be one.
 * What the client or a policy ended says nothing.
 */

export interface RequestEnd {
  /** One of `RequestReason`. */
  readonly reason: string;
  /** What the client was told; undefined: nothing. */
  readonly status: number | undefined;
  /** Of a gRPC call, as its server has it. */
  readonly grpcStatus?: number | undefined;
}

const FIRST_SERVER_ERROR = 500;

/** gRPC's codes for what a server cannot do: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const GRPC_SERVER_ERRORS: ReadonlySet<number> = new Set([2, 4, 13, 14, 15]);

const ANSWERED: ReadonlySet<string> = new Set(["answered", "upgraded"]);
const NO_ANSWER: ReadonlySet<string> = new Set([
  "connect-failure",
  "connect-timeout",
  "refused-stream",
  "refused",
  "reset",
  "bad-response",
  "per-try-timeout",
  "request-timeout",
  "no-endpoints",
  "answer-cut-short",
]);

export function judgeOutcome({ reason, status = 0, grpcStatus }: RequestEnd): "good" | "bad" | "neither" {
  if (NO_ANSWER.has(reason)) return "bad";
  if (!ANSWERED.has(reason)) return "neither";
  return isServerError(status, grpcStatus) ? "bad" : "good";
}

export function isServerError(status: number, grpcStatus: number | undefined): boolean {
  return status >= FIRST_SERVER_ERROR || (grpcStatus !== undefined && GRPC_SERVER_ERRORS.has(grpcStatus));
}
