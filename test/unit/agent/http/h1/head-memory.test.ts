/** Heads that come again over one connection: nothing of one message may be seen in another. */
import test from "ava";
import type { Fields } from "../../../../../agent/http/fields.ts";
import { createRequestParser, createResponseParser } from "../../../../../agent/http/h1/message-parser.ts";
import type { H1RequestHead } from "../../../../../agent/http/h1/request-head.ts";
import { httpLimits } from "../../../../../agent/http/limits.ts";
import { fieldTexts, latin1 } from "../../../../support/parsed-messages.ts";

const TIMES = 4;

function requestReader(): (text: string) => H1RequestHead {
  let head: H1RequestHead | undefined;
  const parser = createRequestParser({
    onHead: (next) => {
      head = next;
    },
    onBody() {},
    onEnd() {},
  });
  return (text) => {
    const chunk = latin1(text);
    for (let at = 0; at < chunk.length; ) at = parser.read(chunk, at);
    if (head === undefined) throw new Error("There was no head");
    return head;
  };
}

/** As filters do. */
function change(fields: Fields): void {
  fields.set("x-user", "eve");
  fields.delete("accept");
  fields.add("x-more", "1");
  fields.keep({ keeps: (key) => key !== "x-b" });
}

test("what is done to the fields of a request is not done to those of the next one", (t) => {
  const read = requestReader();
  const heads = Array.from({ length: TIMES }, () => {
    const head = read("GET /a HTTP/1.1\r\nHost: c\r\nX-User: ann\r\nAccept: */*\r\nX-B: 2\r\n\r\n");
    t.deepEqual(fieldTexts(head.fields), ["X-User: ann", "Accept: */*", "X-B: 2"]);
    t.is(head.fields.lines, "X-User: ann\r\nAccept: */*\r\nX-B: 2\r\n");
    change(head.fields);
    return head;
  });
  for (const { fields } of heads) {
    t.deepEqual(fieldTexts(fields), ["x-user: eve", "x-more: 1"]);
    t.is(fields.lines, "x-user: eve\r\nx-more: 1\r\n");
  }
});

test("a request that comes again byte for byte is told from one that differs in a single one", (t) => {
  const read = requestReader();
  const request = (path: string, user: string) => `GET ${path} HTTP/1.1\r\nHost: c\r\nX-User: ${user}\r\n\r\n`;
  const same = Array.from({ length: TIMES }, () => read(request("/a", "ann")));
  t.is(same[0]?.repeats, undefined);
  t.truthy(same.at(-1)?.repeats);
  t.is(same.at(-1)?.repeats, same.at(-2)?.repeats);
  const other = read(request("/a", "anm"));
  t.is(other.repeats, undefined);
  t.is(other.fields.get("x-user"), "anm");
  const elsewhere = read(request("/b", "anm"));
  t.like(elsewhere, { repeats: undefined, path: "/b" });
  t.is(elsewhere.fields.get("x-user"), "anm");
  const back = Array.from({ length: TIMES }, () => read(request("/a", "ann")));
  t.truthy(back.at(-1)?.repeats);
  t.not(back.at(-1)?.repeats, same.at(-1)?.repeats);
});

test("a head that is cut, or long, is not taken for one that came before", (t) => {
  const read = requestReader();
  const text = "GET / HTTP/1.1\r\nHost: c\r\n\r\n";
  for (let time = 0; time < TIMES; time += 1) read(text);
  const parts = createRequestParser({ onHead: (head) => t.is(head.repeats, undefined), onBody() {}, onEnd() {} });
  for (let time = 0; time < TIMES; time += 1) {
    parts.read(latin1(text.slice(0, 20)), 0);
    parts.read(latin1(text.slice(20)), 0);
  }
  const long = `GET / HTTP/1.1\r\nHost: c\r\nX: ${"x".repeat(httpLimits.rememberedHeadBytes)}\r\n\r\n`;
  for (let time = 0; time < TIMES; time += 1) t.is(read(long).repeats, undefined);
});

test("the same head of a response means another thing to another method", (t) => {
  let method = "GET";
  const bodies: string[] = [];
  const ends: string[] = [];
  const sink = {
    onHead() {},
    onBody: (content: Buffer) => bodies.push(String(content)),
    onEnd: () => ends.push(method),
  };
  const parser = createResponseParser(sink, () => method);
  const head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
  const read = (text: string): void => {
    const chunk = latin1(text);
    for (let at = 0; at < chunk.length; ) at = parser.read(chunk, at);
  };
  for (let time = 0; time < TIMES; time += 1) read(`${head}hi`);
  method = "HEAD";
  for (let time = 0; time < TIMES; time += 1) read(head);
  method = "GET";
  read(`${head}ho`);
  t.deepEqual(bodies, ["hi", "hi", "hi", "hi", "ho"]);
  t.deepEqual(ends, ["GET", "GET", "GET", "GET", "HEAD", "HEAD", "HEAD", "HEAD", "GET"]);
});
