import test from "ava";
import { Fields } from "../../../../../agent/http/fields.ts";
import { grpcStatusOf, readGrpcStatus } from "../../../../../agent/http/grpc/grpc-status.ts";
import { grpcTrailers, writeGrpcAnswer } from "../../../../../agent/http/grpc/write-grpc-answer.ts";
import { tellAnswer } from "../../../../../agent/http/tell-answer.ts";

function withStatus(value: string): Fields {
  const fields = new Fields();
  fields.add("grpc-status", value);
  return fields;
}

test("an answer is a head alone, with a status and a message", (t) => {
  const { head, body } = writeGrpcAnswer({ status: 503, reason: "no-endpoints", text: "none is ready" }, 14);
  t.is(head.status, 200);
  t.false(head.hasBody);
  t.is(body, undefined);
  t.is(head.fields.get("content-type"), "application/grpc");
  t.is(head.fields.get("grpc-status"), "14");
  t.is(head.fields.get("grpc-message"), "no-endpoints: none is ready");
});

test("messages are percent-encoded where they must be", (t) => {
  const message = (text: string) => grpcTrailers(2, "reset", text).get("grpc-message");
  t.is(message("100 % ~"), "reset: 100 %25 ~");
  t.is(message("ü\n"), "reset: %C3%BC%0A");
  t.is(message("\u{1f600}"), "reset: %F0%9F%98%80");
  t.is(message("\ud800"), "reset: %EF%BF%BD");
});

test("statuses follow gRPC's table for intermediaries, but where a bound or a time was hit", (t) => {
  t.is(grpcStatusOf(503, "no-endpoints"), 14);
  t.is(grpcStatusOf(502, "reset"), 14);
  t.is(grpcStatusOf(404, "no-match"), 12);
  t.is(grpcStatusOf(500, "unknown-service"), 2);
  t.is(grpcStatusOf(504, "request-timeout"), 4);
  t.is(grpcStatusOf(504, "per-try-timeout"), 4);
  t.is(grpcStatusOf(429, "refused"), 8);
});

test("what is no status of gRPC is UNKNOWN, what is not there is none", (t) => {
  t.is(readGrpcStatus(withStatus("14")), 14);
  t.is(readGrpcStatus(withStatus("17")), 2);
  t.is(readGrpcStatus(withStatus("01")), 2);
  t.is(readGrpcStatus(withStatus("no")), 2);
  t.is(readGrpcStatus(new Fields()), undefined);
  t.is(readGrpcStatus(undefined), undefined);
});

test("a redirect is the same for every client", (t) => {
  const redirect = { status: 302, reason: "redirect", text: "" } as const;
  const told = tellAnswer(redirect, true, undefined);
  t.is(told.whole.head.status, 302);
  t.is(told.grpcStatus, undefined);
});
