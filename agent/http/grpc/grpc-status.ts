/** The statuses of gRPC that an agent tells or reads (gRPC's doc/statuscodes.md). */
import type { Fields } from "../fields.ts";
import type { RequestReason } from "../request-failure.ts";
import type { ResponseHead } from "../response-head.ts";

export const GrpcStatus = {
  cancelled: 1,
  unknown: 2,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** gRPC's doc/http-grpc-status-mapping.md, but where we know that a bound was hit. */
const BY_HTTP_STATUS: ReadonlyMap<number, number> = new Map([
  [400, GrpcStatus.internal],
  [401, GrpcStatus.unauthenticated],
  [403, GrpcStatus.permissionDenied],
  [404, GrpcStatus.unimplemented],
  [413, GrpcStatus.resourceExhausted],
  [429, GrpcStatus.resourceExhausted],
  [431, GrpcStatus.resourceExhausted],
  [501, GrpcStatus.unimplemented],
  [502, GrpcStatus.unavailable],
  [503, GrpcStatus.unavailable],
  [504, GrpcStatus.unavailable],
]);

/** What HTTP would have said, as google.rpc.Code has it: the other way is not one to one. */
const HTTP_STATUS: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];

const OK = 200;

const DEADLINES: ReadonlySet<RequestReason> = new Set(["request-timeout", "per-try-timeout"]);
/** 0 to 16: more of them nobody has given a meaning. */
const STATUS = /^(?:[0-9]|1[0-6])$/;

/** What an answer of ours with this HTTP status means to a gRPC client. */
export function grpcStatusOf(status: number, reason: RequestReason): number {
  if (DEADLINES.has(reason)) return GrpcStatus.deadlineExceeded;
  return BY_HTTP_STATUS.get(status) ?? GrpcStatus.unknown;
}

/** What a head says of its call, in a status of HTTP; gRPC says it there when the head is all there is (Trailers-Only). */
export function httpStatusOf({ status, hasBody, fields }: ResponseHead): number {
  const grpcStatus = status === OK && !hasBody ? readGrpcStatus(fields) : undefined;
  return grpcStatus === undefined ? status : (HTTP_STATUS[grpcStatus] ?? status);
}

/** Of trailers, or of a head that is all there is (Trailers-Only). */
export function readGrpcStatus(fields: Fields | undefined): number | undefined {
  const text = fields?.get("grpc-status");
  if (text === undefined) return undefined;
  return STATUS.test(text) ? Number(text) : GrpcStatus.unknown;
}
