/**
 * What in an answer says that the server has failed, in words for a log; undefined: nothing. gRPC says it behind the body, or
 * in the head of an answer without one; its codes for what a client did wrong are not meant.
 */
import type { Fields } from "./fields.ts";
import type { ResponseHead } from "./response-head.ts";

const FIRST_SERVER_ERROR = 500;
/** UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const GRPC_SERVER_ERRORS: ReadonlySet<string> = new Set(["2", "4", "13", "14", "15"]);

export function failureOfHead({ status, hasBody, fields }: ResponseHead): string | undefined {
  if (status >= FIRST_SERVER_ERROR) return `answer ${status}`;
  return hasBody ? undefined : failureOfTrailers(fields);
}

export function failureOfTrailers(trailers: Fields): string | undefined {
  const grpcStatus = trailers.get("grpc-status");
  return grpcStatus !== undefined && GRPC_SERVER_ERRORS.has(grpcStatus) ? `grpc-status ${grpcStatus}` : undefined;
}
