/**
 * Whether a request speaks against the thing that it went to: an answer that says so, or none where there should be one.
 * What the client or a policy ended says nothing.
 */
import type { RequestOutcome } from "../admission.ts";
import type { RequestReason } from "../request-failure.ts";

const FIRST_SERVER_ERROR = 500;

/** gRPC's codes for what a server cannot do: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const GRPC_SERVER_ERRORS: ReadonlySet<number> = new Set([2, 4, 13, 14, 15]);

const ANSWERED: ReadonlySet<RequestReason> = new Set(["answered", "upgraded"]);
const NO_ANSWER: ReadonlySet<RequestReason> = new Set([
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

export function judgeOutcome({ reason, status = 0, grpcStatus }: RequestOutcome): "good" | "bad" | "neither" {
  if (NO_ANSWER.has(reason)) return "bad";
  if (!ANSWERED.has(reason)) return "neither";
  return isServerError(status, grpcStatus) ? "bad" : "good";
}

function isServerError(status: number, grpcStatus: number | undefined): boolean {
  return status >= FIRST_SERVER_ERROR || (grpcStatus !== undefined && GRPC_SERVER_ERRORS.has(grpcStatus));
}
