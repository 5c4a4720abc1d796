import test from "ava";
import { Fields } from "../../../../agent/http/fields.ts";
import type { ResponseHead } from "../../../../agent/http/response-head.ts";
import { failureOfHead, failureOfTrailers } from "../../../../agent/http/server-failure.ts";

function withGrpcStatus(status: string): Fields {
  const fields = new Fields();
  fields.add("grpc-status", status);
  return fields;
}

function head(status: number, changes: Partial<ResponseHead> = {}): ResponseHead {
  return { status, reason: "", fields: new Fields(), hasBody: true, length: undefined, upgrade: undefined, ...changes };
}

test("statuses from 500 on are failures of the server", (t) => {
  t.is(failureOfHead(head(503)), "answer 503");
  for (const status of [101, 200, 304, 404, 429, 499]) t.is(failureOfHead(head(status)), undefined);
});

test("gRPC tells of failures behind the body, or in a head without one", (t) => {
  t.is(failureOfTrailers(withGrpcStatus("14")), "grpc-status 14");
  t.is(failureOfHead(head(200, { hasBody: false, fields: withGrpcStatus("13") })), "grpc-status 13");
  t.is(failureOfHead(head(200, { fields: withGrpcStatus("13") })), undefined);
});

test("what is well, or the client's own doing, is no failure of the server", (t) => {
  // OK, CANCELLED, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAUTHENTICATED.
  for (const status of ["0", "1", "3", "5", "8", "12", "16", ""]) {
    t.is(failureOfTrailers(withGrpcStatus(status)), undefined);
  }
  t.is(failureOfTrailers(new Fields()), undefined);
});
