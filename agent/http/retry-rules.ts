/** When another try is worth it and safe (RFC 9110 section 9.2.2), by what the route says and without it. */
import { backoffMs } from "../../core/backoff.ts";
import type { RetryReason, RouteRetry } from "../../protocol/route-table.ts";
import { GrpcStatus, readGrpcStatus } from "./grpc/grpc-status.ts";
import type { ResponseHead } from "./response-head.ts";
import { isUndelivered, type UpstreamFailure } from "./upstream/upstream-failure.ts";

const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);
const GATEWAY_ERRORS: ReadonlySet<number> = new Set([502, 503, 504]);
const FIRST_SERVER_ERROR = 500;
/** A client that waits longer between tries than this has given up by itself. */
const MAX_BACKOFF_MS = 10_000;

/** Doing it twice is the same as doing it once. */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** Whether the route wants requests repeated that fail like this. */
export function retriesFailure({ on }: RouteRetry, failure: UpstreamFailure, method: string): boolean {
  if (isUndelivered(failure)) return on.includes("connect-failure") || on.includes("refused-stream");
  switch (failure.code) {
    case "connect-timeout":
      // The server may have it, and may be about to do it.
      return on.includes("connect-failure") && isIdempotent(method);
    case "reset":
    case "stale":
      return on.includes("reset") || on.includes("5xx");
    case "bad-response":
    case "per-try-timeout":
      return on.includes("gateway-error") || on.includes("5xx");
    default:
      return false;
  }
}

export function retriesAnswer({ on }: RouteRetry, { status, hasBody, fields }: ResponseHead): boolean {
  // An answer that has begun with more than its status cannot be taken back.
  const grpcStatus = hasBody ? undefined : readGrpcStatus(fields);
  return on.some((reason) => isAbout(reason, status, grpcStatus));
}

function isAbout(reason: RetryReason, status: number, grpcStatus: number | undefined): boolean {
  switch (reason) {
    case "5xx":
      return status >= FIRST_SERVER_ERROR;
    case "gateway-error":
      return GATEWAY_ERRORS.has(status);
    case "cancelled":
      return grpcStatus === GrpcStatus.cancelled;
    case "deadline-exceeded":
      return grpcStatus === GrpcStatus.deadlineExceeded;
    case "resource-exhausted":
      return grpcStatus === GrpcStatus.resourceExhausted;
    case "unavailable":
      return grpcStatus === GrpcStatus.unavailable;
    default:
      return reason === status;
  }
}

/** Before retry number `count`, the first is 0: never less than the route says, and not all at the same time. */
export function retryDelayMs(retry: RouteRetry, count: number, random: () => number): number {
  return backoffMs({ baseMs: 2 * retry.backoffMs, maxMs: MAX_BACKOFF_MS }, count, random);
}
