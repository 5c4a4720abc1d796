/**
 * An answer of ours for a gRPC client: its head is all there is (Trailers-Only), with status 200, `grpc-status` and a
 * sentence in `grpc-message`.
 */
import { Fields } from "../fields.ts";
import type { OwnAnswer, WholeAnswer } from "../own-answer.ts";
import type { RequestReason } from "../request-failure.ts";

const OK = 200;

export function writeGrpcAnswer({ reason, text, fields = new Fields() }: OwnAnswer, grpcStatus: number): WholeAnswer {
  fields.add("content-type", "application/grpc");
  addStatus(fields, grpcStatus, reason, text);
  fields.add("server", "hawser");
  fields.add("date", new Date().toUTCString());
  const head = { status: OK, reason: undefined, fields, hasBody: false, length: undefined, upgrade: undefined };
  return { head, body: undefined };
}

/** Of a call whose answer has begun. */
export function grpcTrailers(grpcStatus: number, reason: RequestReason, text: string): Fields {
  const fields = new Fields();
  addStatus(fields, grpcStatus, reason, text);
  return fields;
}

function addStatus(fields: Fields, grpcStatus: number, reason: RequestReason, text: string): void {
  fields.add("grpc-status", String(grpcStatus));
  fields.add("grpc-message", encodeMessage(`${reason}: ${text}`));
  fields.add("hawser-reason", reason);
}

/** Percent-encoded but for visible ASCII and spaces (gRPC over HTTP/2, section Responses). */
function encodeMessage(text: string): string {
  return text.toWellFormed().replaceAll(/[^ -~]+|%/gu, encodeURIComponent);
}
