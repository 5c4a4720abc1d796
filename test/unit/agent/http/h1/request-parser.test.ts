import test from "ava";
import { httpLimits } from "../../../../../agent/http/limits.ts";
import { fieldTexts, latin1, parseRequests } from "../../../../support/parsed-messages.ts";

const HOST = "Host: catalog";

/** The only message in `text`. */
function parseOne(text: string) {
  const { messages, error } = parseRequests(latin1(text));
  const [message] = messages;
  if (error !== undefined || message === undefined || messages.length > 1) throw new Error(`Not one: ${error}`);
  return message;
}

test("a request is its line, its fields and its body", (t) => {
  const { head, body } = parseOne(
    "POST /items?id=3 HTTP/1.1\r\nHost: catalog:8080\r\nX-User:  ann \t\r\nContent-Length: 5\r\nEmpty:\r\n\r\nhello",
  );
  t.like(head, { method: "POST", path: "/items?id=3", authority: "catalog:8080", minor: 1, keepAlive: true });
  t.deepEqual(head.framing, { body: "length", length: 5 });
  t.deepEqual(fieldTexts(head.fields), ["X-User: ann", "Empty: "]);
  t.is(body.toString(), "hello");
});

test("one empty line before a request is skipped, two are not", (t) => {
  t.is(parseOne(`\r\nGET / HTTP/1.1\r\n${HOST}\r\n\r\n`).head.method, "GET");
  t.is(parseRequests(latin1(`\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n\r\n`)).error, "bad-start-line");
});

test("bytes above ASCII in a value stay as they are", (t) => {
  const { head } = parseOne(`GET / HTTP/1.1\r\n${HOST}\r\nX: \xc3\xa9\xff\r\n\r\n`);
  t.is(head.fields.get("x"), "\xc3\xa9\xff");
});

test("fields of the same name are one list", (t) => {
  const { head } = parseOne(`GET / HTTP/1.1\r\n${HOST}\r\nAccept: a\r\nx: 1\r\nACCEPT: b\r\n\r\n`);
  t.is(head.fields.get("accept"), "a, b");
});

const TARGETS: readonly [string, { path: string; authority: string }][] = [
  ["GET /", { path: "/", authority: "catalog" }],
  ['GET //a/../b?x=|{}"^`', { path: '//a/../b?x=|{}"^`', authority: "catalog" }],
  ["GET http://other:81/a?b", { path: "/a?b", authority: "other:81" }],
  ["GET HTTP://other", { path: "/", authority: "other" }],
  ["GET http://other?b", { path: "/?b", authority: "other" }],
  ["GET http://[fd00::1]:81/", { path: "/", authority: "[fd00::1]:81" }],
  ["OPTIONS *", { path: "*", authority: "catalog" }],
  ["OPTIONS http://other", { path: "*", authority: "other" }],
  ["CONNECT other:443", { path: "", authority: "other:443" }],
];
for (const [line, expected] of TARGETS) {
  test(`target: ${line}`, (t) => {
    t.like(parseOne(`${line} HTTP/1.1\r\n${HOST}\r\n\r\n`).head, expected);
  });
}

const PERSISTENCE: readonly [string, boolean][] = [
  [`GET / HTTP/1.1\r\n${HOST}`, true],
  [`GET / HTTP/1.1\r\n${HOST}\r\nConnection: close`, false],
  [`GET / HTTP/1.1\r\n${HOST}\r\nConnection: keep-alive, CLOSE`, false],
  [`GET / HTTP/1.0`, false],
  [`GET / HTTP/1.0\r\nConnection: Keep-Alive`, true],
];
for (const [text, expected] of PERSISTENCE) {
  test(`keep-alive is ${expected} after ${JSON.stringify(text)}`, (t) => {
    t.is(parseOne(`${text}\r\n\r\n`).head.keepAlive, expected);
  });
}

test("what concerns the connection is taken out, and whatever Connection names, but never Host", (t) => {
  const { head } = parseOne(
    [
      "GET / HTTP/1.1",
      HOST,
      "Connection: x-drop, keep-alive",
      "connection: Host, te",
      "X-Drop: 1",
      "Keep-Alive: timeout=5",
      "Proxy-Connection: keep-alive",
      "TE: trailers, deflate",
      "Trailer: x-sum",
      "X-Keep: 1",
      "\r\n",
    ].join("\r\n"),
  );
  t.deepEqual(fieldTexts(head.fields), ["Trailer: x-sum", "X-Keep: 1"]);
  t.is(head.authority, "catalog");
  t.true(head.trailersWanted);
});

test("an upgrade counts when Connection names it, and from HTTP/1.1 only", (t) => {
  const upgrade = (version: string, connection: string) =>
    parseOne(`GET / HTTP/${version}\r\n${HOST}\r\nUpgrade: websocket\r\nConnection: ${connection}\r\n\r\n`).head;
  t.is(upgrade("1.1", "Upgrade").upgrade, "websocket");
  t.is(upgrade("1.1", "close").upgrade, undefined);
  t.is(upgrade("1.0", "upgrade").upgrade, undefined);
  t.false(upgrade("1.1", "close").fields.has("upgrade"));
});

test("100-continue is an expectation, from HTTP/1.1 only", (t) => {
  const expects = (version: string) =>
    parseOne(`PUT / HTTP/${version}\r\n${HOST}\r\nExpect: 100-Continue\r\nContent-Length: 0\r\n\r\n`).head
      .expectsContinue;
  t.true(expects("1.1"));
  t.false(expects("1.0"));
});

test("a chunked body comes without its framing, and with its trailers", (t) => {
  const { head, body, trailers } = parseOne(
    `POST / HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: Chunked\r\n\r\n` +
      '5\r\nhello\r\n006;a=b;c="d\\"e";f\r\n world\r\n0;last\r\nX-Sum: 9\r\n\r\n',
  );
  t.is(head.framing.body, "chunked");
  t.is(body.toString(), "hello world");
  t.deepEqual(trailers, ["X-Sum: 9"]);
});

test("requests may follow each other", (t) => {
  const { messages, isMidMessage } = parseRequests(
    latin1(
      `POST /1 HTTP/1.1\r\n${HOST}\r\nContent-Length: 2\r\n\r\nab` +
        `POST /2 HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n` +
        `GET /3 HTTP/1.1\r\n${HOST}\r\n\r\nGET /4`,
    ),
  );
  t.deepEqual(
    messages.map(({ head, body }) => `${head.path} ${body.toString()}`),
    ["/1 ab", "/2 c", "/3 "],
  );
  t.true(isMidMessage);
});

const long = (bytes: number) => "a".repeat(bytes);
/** Code, and what is refused with it. */
const REFUSED: readonly [string, string][] = [
  ["bad-start-line", "GET /\r\n\r\n"],
  ["bad-start-line", `GET  / HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-version", `GET / HTTP/1.1 \r\n${HOST}\r\n\r\n`],
  ["bad-version", `GET /a b HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-version", `GET / http/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-version", `GET / HTTP/1.10\r\n${HOST}\r\n\r\n`],
  ["unsupported-version", `GET / HTTP/1.2\r\n${HOST}\r\n\r\n`],
  ["unsupported-version", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["bad-start-line", ` GET / HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-method", `get / HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-method", `G@T / HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["unsupported-method", `${"A".repeat(33)} / HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-target", `GET items HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-target", `GET * HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-target", `GET /#a HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-target", `GET https://catalog/ HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-target", `GET http:// HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-target", `GET http://me@catalog/ HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-target", `CONNECT /a HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-byte", `GET /\xe4 HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-byte", `GET /\t HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-byte", `GET /\0 HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["bad-byte", "\x16\x03\x01\x02\x00"],
  ["bad-line-end", `GET / HTTP/1.1\n${HOST}\r\n\r\n`],
  ["bad-line-end", `GET / HTTP/1.1\r${HOST}\r\n\r\n`],
  ["bad-line-end", `GET / HTTP/1.1\r\n${HOST}\n\r\n`],
  ["bad-line-end", `GET / HTTP/1.1\r\n${HOST}\r\n\rX`],
  ["bad-field-name", `GET / HTTP/1.1\r\n${HOST}\r\n\n`],
  ["bad-field-name", `GET / HTTP/1.1\r\n${HOST}\r\nX : 1\r\n\r\n`],
  ["bad-field-name", `GET / HTTP/1.1\r\n${HOST}\r\nX\t: 1\r\n\r\n`],
  ["bad-field-name", `GET / HTTP/1.1\r\n${HOST}\r\nX\r\n\r\n`],
  ["bad-field-name", `GET / HTTP/1.1\r\n${HOST}\r\n: 1\r\n\r\n`],
  ["bad-field-name", `GET / HTTP/1.1\r\n${HOST}\r\n\x80: 1\r\n\r\n`],
  ["folded-field", `GET / HTTP/1.1\r\n${HOST}\r\nX: 1\r\n 2\r\n\r\n`],
  ["folded-field", `GET / HTTP/1.1\r\n Host: catalog\r\n\r\n`],
  ["bad-byte", `GET / HTTP/1.1\r\n${HOST}\r\nX: \x00\r\n\r\n`],
  ["bad-byte", `GET / HTTP/1.1\r\n${HOST}\r\nX: a\x7f\r\n\r\n`],
  ["bad-host", "GET / HTTP/1.1\r\n\r\n"],
  ["bad-host", `GET / HTTP/1.1\r\n${HOST}\r\n${HOST}\r\n\r\n`],
  ["bad-host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"],
  ["bad-host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"],
  ["bad-host", "GET / HTTP/1.1\r\nHost: me@a\r\n\r\n"],
  ["bad-host", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"],
  ["unsupported-expectation", `GET / HTTP/1.1\r\n${HOST}\r\nExpect: tea\r\n\r\n`],
  ["target-too-long", `GET /${long(httpLimits.startLineBytes)} HTTP/1.1\r\n`],
  ["head-too-large", `GET / HTTP/1.1\r\n${HOST}\r\nX: ${long(httpLimits.headBytes)}\r\n\r\n`],
  ["too-many-fields", `GET / HTTP/1.1\r\n${"X: 1\r\n".repeat(httpLimits.fields + 1)}${HOST}\r\n\r\n`],
  ["after-close", `GET / HTTP/1.1\r\n${HOST}\r\nConnection: close\r\n\r\nGET`],
];
for (const [code, text] of REFUSED) {
  test(`${code}: ${JSON.stringify(text.slice(0, 70))}${text.length > 70 ? ` (${text.length} bytes)` : ""}`, (t) => {
    t.is(parseRequests(latin1(text)).error, code);
    const everywhere = Array.from({ length: Math.min(text.length, 400) }, (_, index) => index);
    t.is(parseRequests(latin1(text), everywhere).error, code);
  });
}

test("the largest head that is taken is taken in pieces too", (t) => {
  const start = `GET / HTTP/1.1\r\n${HOST}\r\nX: `;
  const text = `${start}${long(httpLimits.headBytes - start.length - 4)}\r\n\r\n`;
  t.is(text.length, httpLimits.headBytes);
  t.is(parseRequests(latin1(text)).messages.length, 1);
  t.is(parseRequests(latin1(text), [1, 100, 5_000, 64_000, 65_535]).messages.length, 1);
});
