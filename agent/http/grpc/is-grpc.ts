/** Whether a request is a gRPC call: it is told by `grpc-status` what became of it, not by the status of HTTP. */
import { isGrpcType } from "../../../routing/http/request-facts.ts";
import type { RequestHead } from "../request-head.ts";

/** There is no gRPC over HTTP/1.1, so nothing is looked up for it. */
export function isGrpc({ version, fields }: RequestHead): boolean {
  return version === 2 && isGrpcType(fields.get("content-type"));
}
