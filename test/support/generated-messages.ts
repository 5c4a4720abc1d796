/**
 * Generators of HTTP/1.1 bytes for property tests: requests and responses out of parts that are mostly legal and often
 * nearly so, and the same with bytes changed.
 */
import fc from "fast-check";
import { latin1 } from "./parsed-messages.ts";

const METHODS = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "get", "POSTS", "M-SEARCH"];
const TARGETS = ["/", "/items?id=3", "*", "http://other/x", "http://other", "/a b", "/#f", "//", "/%00", ""];
const VERSIONS = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", ""];
const STATUS_LINES = ["200 OK", "200", "204 No Content", "304 Not Modified", "404 ", "99 No", "500 \xe4\t"];
const FIELDS = [
  "X: 1",
  "x:2",
  "X:  a \t b\t ",
  "Empty:",
  "Accept: a, b",
  'Cookie: \xe4\xff; b="c"',
  "Connection: keep-alive",
  "Connection: close",
  "Connection: x, Close",
  "Connection: closed",
  "Expect: 100-continue",
  "Keep-Alive: timeout=5",
  "TE: trailers",
  "Content-Length: 5",
  "Content-Length: 0",
  "content-length:  5 ",
  "Content-Length: 05",
  "Content-Length: 5, 5",
  "Content-Length: +5",
  "Content-Length: 99999999999999999999",
  "Content-Length:",
  "Transfer-Encoding: chunked",
  "transfer-encoding:Chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: chunked, gzip",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding:",
  "Bad Name: 1",
  "NoColon",
  ": 1",
  " Folded: 1",
  "X : 1",
];
const BODIES = [
  "",
  "hello",
  "hello world",
  "5\r\nhello\r\n0\r\n\r\n",
  "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
  "5;a=b\r\nhello\r\n0;last\r\nX-Sum: 1\r\n\r\n",
  '5;a="b c"\r\nhello\r\n000\r\n\r\n',
  "5 \r\nhello\r\n0\r\n\r\n",
  "5\nhello\r\n0\r\n\r\n",
  "5\r\nhello0\r\n\r\n",
  "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
  "0\r\nContent-Length: 5\r\n\r\n",
  "A\r\n0123456789\r\n0\r\n\r\n",
];
/** What a byte is changed to: those that mean something in HTTP, and some that mean nothing anywhere. */
const BYTES = [
  "\r",
  "\n",
  "\r\n",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "=",
  '"',
  "\\",
  "#",
  "0",
  "5",
  "a",
  "F",
  "\0",
  "\x0b",
  "\x7f",
  "\x80",
  "\xff",
];

const fields = fc.array(fc.constantFrom(...FIELDS), { maxLength: 4 });
const framed = fc.constantFrom(
  ["Content-Length: 5", "hello"] as const,
  ["Content-Length: 0", ""] as const,
  ["Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"] as const,
  ["Transfer-Encoding: chunked", '3;a="b"\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n'] as const,
  ["X: none", ""] as const,
);

/** Legal, so that what follows it is reached. */
const goodRequest = fc
  .tuple(fc.constantFrom("GET", "POST", "PUT"), fc.constantFrom("/", "/items?id=3", "http://other/x"), framed)
  .map(([method, target, [field, body]]) => `${method} ${target} HTTP/1.1\r\nHost: catalog\r\n${field}\r\n\r\n${body}`);

const anyRequest = fc
  .tuple(
    fc.constantFrom(...METHODS),
    fc.constantFrom(...TARGETS),
    fc.constantFrom(...VERSIONS),
    fields,
    fc.constantFrom(...BODIES),
  )
  .map(([method, target, version, list, body]) => {
    const lines = [`${method} ${target} ${version}`, "Host: catalog", ...list];
    return `${lines.join("\r\n")}\r\n\r\n${body}`;
  });

const anyResponse = fc
  .tuple(fc.constantFrom("HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.0 "), fc.constantFrom(...STATUS_LINES), fields, framed)
  .map(([version, status, list, [field, body]]) => {
    return `${[version + status, ...list, field].join("\r\n")}\r\n\r\n${body}`;
  });

const goodResponse = fc
  .tuple(fc.constantFrom("200 OK", "404 Not Found", "103 Early Hints"), framed)
  .map(([status, [field, body]]) => {
    return status.startsWith("1") ? `HTTP/1.1 ${status}\r\n\r\n` : `HTTP/1.1 ${status}\r\n${field}\r\n\r\n${body}`;
  });

interface Change {
  readonly at: number;
  readonly remove: number;
  readonly insert: string;
}

const changes = fc.array(
  fc.record({
    at: fc.nat(400),
    remove: fc.constantFrom(0, 1, 1, 2),
    insert: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...BYTES) }, { weight: 1, arbitrary: fc.constant("") }),
  }),
  { maxLength: 3 },
);

/** A row of requests, some of them changed. */
export const requestBytes = sequence(
  fc.oneof({ weight: 3, arbitrary: goodRequest }, { weight: 2, arbitrary: anyRequest }),
);

/** A row of responses, some of them changed. */
export const responseBytes = sequence(fc.oneof(goodResponse, anyResponse));

/** Positions at which bytes come apart. */
export const cuts = fc.array(fc.nat(600), { maxLength: 12 });

function sequence(message: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.array(message, { minLength: 1, maxLength: 3 }), changes)
    .map(([messages, list]) => latin1(list.reduce(applyChange, messages.join(""))));
}

function applyChange(text: string, { at, remove, insert }: Change): string {
  const position = at % (text.length + 1);
  return text.slice(0, position) + insert + text.slice(position + remove);
}
