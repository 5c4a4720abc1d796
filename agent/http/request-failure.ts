/**
 * What a client is told when it is us who answer: one place from reason to status. The reason is in the header
 * `hawser-reason` and in the body, so that whoever sees the answer knows which part of the mesh spoke, and why.
 */
import type { ResponseCode } from "../../routing/http/request-decision.ts";
import type { PlaceReason, ProtectionReason } from "./protect/refusals.ts";
import type { H1ErrorCode } from "./h1/h1-error.ts";
import type { UpstreamFailureCode } from "./upstream/upstream-failure.ts";

export type FailureReason =
  | Exclude<UpstreamFailureCode, "stale">
  /** No endpoint is left to try. */
  | "no-endpoints"
  | PlaceReason
  | "unknown-service"
  | "request-timeout"
  /** Bodies beyond what a policy allows. */
  | "request-too-large"
  | "response-too-large"
  /** CONNECT to a Service: it would be a tunnel past every route. */
  | "connect-not-supported"
  /** A filter wants a header that HTTP does not have. */
  | "bad-filter";

/** Every reason that there can be: also label values of a metric. */
export type RequestReason = FailureReason | ResponseCode | ProtectionReason | H1ErrorCode | EndReason;

/** Ends that are no answer of ours. */
export type EndReason =
  /** The backend answered. */
  | "answered"
  /** Something else was answered instead of an error, as the rule's fallback says. */
  | "fallback"
  | "upgraded"
  /** The client left before the answer was complete. */
  | "client-gone"
  /** The backend's answer broke off. */
  | "answer-cut-short"
  | "aborted";

const STATUS: Readonly<Record<FailureReason, number>> = {
  "connect-failure": 503,
  "connect-timeout": 503,
  "refused-stream": 503,
  "no-endpoints": 503,
  "concurrency-limit": 503,
  "queue-timeout": 503,
  "circuit-open": 503,
  refused: 502,
  reset: 502,
  "bad-response": 502,
  "per-try-timeout": 504,
  "request-timeout": 504,
  "request-too-large": 413,
  "response-too-large": 502,
  "unknown-service": 500,
  "bad-filter": 500,
  "connect-not-supported": 501,
  "websocket-not-supported": 501,
};

export function statusOf(reason: FailureReason): number {
  return STATUS[reason];
}
