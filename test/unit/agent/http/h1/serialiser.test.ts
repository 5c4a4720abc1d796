import test from "ava";
import { FieldError, Fields } from "../../../../../agent/http/fields.ts";
import { BodyWriter } from "../../../../../agent/http/h1/body-writer.ts";
import { lendText } from "../../../../../agent/http/h1/lend-text.ts";
import type { MessageTarget } from "../../../../../agent/http/h1/message-target.ts";
import { writeRequestHead, writeResponseHead } from "../../../../../agent/http/h1/write-head.ts";
import { latin1, parseRequests, parseResponses } from "../../../../support/parsed-messages.ts";

function fieldsOf(...pairs: readonly (readonly [string, string])[]): Fields {
  const fields = new Fields();
  for (const [name, value] of pairs) fields.add(name, value);
  return fields;
}

function targetOf(pieces: Buffer[], joins = false): MessageTarget {
  return {
    write: (bytes) => pieces.push(bytes) > 0,
    writeText: (text) => pieces.push(latin1(text)) > 0,
    joins,
  };
}

test("a request is read as it was written", (t) => {
  const head = writeRequestHead({
    method: "POST",
    path: "/x?y",
    authority: "catalog:80",
    fields: fieldsOf(["X-User", "\xe4nn"], ["x-user", "bob"]),
    framing: { body: "length", length: 2 },
    trailersWanted: true,
    expectsContinue: true,
  });
  const { messages } = parseRequests(latin1(`${head}hi`));
  t.like(messages[0]?.head, { method: "POST", path: "/x?y", authority: "catalog:80", expectsContinue: true });
  t.like(messages[0]?.head, { trailersWanted: true, keepAlive: true, framing: { body: "length", length: 2 } });
  t.is(messages[0]?.head.fields.get("x-user"), "\xe4nn, bob");
});

for (const joins of [false, true]) {
  test(`a response is read as it was written, chunked and with trailers${joins ? ", by who joins it" : ""}`, (t) => {
    const fields = fieldsOf(["X", "1"]);
    const head = writeResponseHead({
      status: 200,
      reason: "OK",
      fields,
      framing: { body: "chunked", length: undefined },
    });
    const pieces: Buffer[] = [];
    const writer = new BodyWriter(targetOf(pieces, joins));
    writer.begin(head, "chunked");
    const bodies = [latin1("small"), Buffer.alloc(5_000, "x"), latin1("!")];
    for (const body of bodies) writer.write(body);
    writer.end(fieldsOf(["X-Sum", "9"]));
    const { messages } = parseResponses(Buffer.concat(pieces));
    t.deepEqual(messages[0]?.body, Buffer.concat(bodies));
    t.deepEqual(messages[0]?.trailers, ["X-Sum: 9"]);
  });
}

test("large content is not copied", (t) => {
  const pieces: Buffer[] = [];
  const writer = new BodyWriter(targetOf(pieces));
  const content = Buffer.alloc(5_000);
  for (const body of ["length", "chunked"] as const) {
    writer.begin("head", body);
    writer.write(content);
  }
  t.is(pieces.filter((piece) => piece === content).length, 2);
});

test("a head leaves with the first of its body, or by itself when that is late, or there is none", async (t) => {
  const pieces: Buffer[] = [];
  const writer = new BodyWriter(targetOf(pieces));
  writer.begin("1 ", "length");
  writer.write(latin1("body"));
  writer.write(latin1("more"));
  writer.end(undefined);
  writer.begin("2 ", "none");
  writer.end(undefined);
  writer.begin("3 ", "chunked");
  writer.end(undefined);
  writer.begin("4 ", "until-close");
  writer.end(undefined);
  writer.begin("5 ", "length");
  await Promise.resolve();
  writer.write(latin1("late"));
  t.deepEqual(pieces.map(String), ["1 body", "more", "2 ", "3 0\r\n\r\n", "4 ", "5 ", "late"]);
});

test("a head does not wait for its body where that is joined anyway", (t) => {
  const pieces: Buffer[] = [];
  const writer = new BodyWriter(targetOf(pieces, true));
  writer.begin("1 ", "length");
  t.deepEqual(pieces.map(String), ["1 "]);
  writer.write(latin1("body"));
  writer.end(undefined);
  t.deepEqual(pieces.map(String), ["1 ", "body"]);
});

test("text is lent as its bytes, however long it is", (t) => {
  for (const text of ["", "\xe4\xff a", "x".repeat(100_000)]) t.deepEqual(Buffer.from(lendText(text)), latin1(text));
});

test("fields are found, changed and removed whatever their case", (t) => {
  const fields = fieldsOf(["A", "1"], ["b", "2"], ["a", "3"], ["Cookie", "x=1"], ["cookie", "y=2"]);
  t.is(fields.get("a"), "1, 3");
  t.is(fields.get("cookie"), "x=1; y=2");
  t.is(fields.get("c"), undefined);
  fields.set("a", "4");
  t.is(fields.get("a"), "4");
  fields.delete("b");
  t.false(fields.has("b"));
  t.deepEqual(fields.names, ["Cookie", "cookie", "a"]);
});

for (const [name, value] of [
  ["X", "a\r\nInjected: 1"],
  ["X", "\0"],
  ["X Y", "1"],
  ["X:", "1"],
  ["", "1"],
] as const) {
  test(`not a field: ${JSON.stringify(name)} ${JSON.stringify(value)}`, (t) => {
    t.throws(() => new Fields().add(name, value), { instanceOf: FieldError, code: "bad-field" });
    t.throws(() => new Fields().set(name, value), { instanceOf: FieldError });
  });
}
