/** For how long a request may take, by its rule and by what a gRPC client says; and how the server is told of the rest. */
import type { RouteRule } from "../../../protocol/route-table.ts";
import type { RequestHead } from "../request-head.ts";
import { readGrpcTimeout, writeGrpcTimeout } from "./grpc-timeout.ts";
import { isGrpc } from "./is-grpc.ts";

const NAME = "grpc-timeout";

export interface TimeBound {
  readonly ms: number;
  /** The client has said one, so the server is told too. */
  readonly isTold: boolean;
}

/** Undefined: as long as it likes. */
export function timeBoundOf(head: RequestHead, rule: RouteRule | undefined): TimeBound | undefined {
  const ruleMs = rule?.timeouts?.requestMs || undefined;
  const clientMs = isGrpc(head) ? readGrpcTimeout(head.fields.get(NAME)) : undefined;
  if (ruleMs === undefined && clientMs === undefined) return undefined;
  const ms = Math.min(ruleMs ?? Number.POSITIVE_INFINITY, clientMs ?? Number.POSITIVE_INFINITY);
  return { ms, isTold: clientMs !== undefined };
}

/** The head with what is left of the time. */
export function withTimeLeft(head: RequestHead, leftMs: number): RequestHead {
  const fields = head.fields.copy();
  fields.set(NAME, writeGrpcTimeout(leftMs));
  return { ...head, fields };
}
