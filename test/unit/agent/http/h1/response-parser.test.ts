import test from "ava";
import { fieldTexts, latin1, parseResponses } from "../../../../support/parsed-messages.ts";

test("a response is its status, its fields and its body", (t) => {
  const { messages } = parseResponses(
    latin1("HTTP/1.1 200 Very OK\r\nContent-Length: 2\r\nX: 1\r\nKeep-Alive: timeout=5, max=9\r\n\r\nhi"),
  );
  t.like(messages[0]?.head, { status: 200, reason: "Very OK", keepAlive: true, keepAliveSeconds: 5 });
  t.is(messages[0]?.body.toString(), "hi");
  t.deepEqual(fieldTexts(messages[0]?.head.fields ?? t.fail()), ["X: 1"]);
});

for (const line of ["HTTP/1.1 204", "HTTP/1.1 204 ", "HTTP/1.0 204 No Content"]) {
  test(`taken: ${JSON.stringify(line)}`, (t) => {
    t.is(parseResponses(latin1(`${line}\r\n\r\n`)).messages[0]?.head.status, 204);
  });
}

test("interim heads come before the head", (t) => {
  const { messages } = parseResponses(
    latin1(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ),
  );
  t.deepEqual(
    messages.map(({ head }) => head.status),
    [100, 103, 200],
  );
  t.is(messages[1]?.head.fields.get("link"), "</a>");
});

const WITHOUT_BODY: readonly [string, string, string, number | undefined][] = [
  ["HEAD", "200 OK", "Content-Length: 9", 9],
  ["HEAD", "200 OK", "Transfer-Encoding: chunked", undefined],
  ["GET", "304 Not Modified", "Content-Length: 9", 9],
  ["GET", "204 No Content", "Content-Length: 9", undefined],
  ["GET", "204 No Content", "Transfer-Encoding: chunked", undefined],
];
for (const [method, status, field, length] of WITHOUT_BODY) {
  test(`no body follows ${status} for ${method} with ${field}`, (t) => {
    const text = `HTTP/1.1 ${status}\r\n${field}\r\n\r\n`;
    const { messages, isMidMessage } = parseResponses(latin1(text), { method });
    t.false(isMidMessage);
    t.deepEqual(messages[0]?.head.framing, { body: "none", length });
  });
}

test("101 ends the messages", (t) => {
  const { messages } = parseResponses(
    latin1("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
  );
  t.like(messages[0]?.head, { status: 101, upgrade: "websocket", isInterim: false });
});

test("a body without a length ends with the connection, and only then", (t) => {
  const text = latin1("HTTP/1.1 200 OK\r\n\r\nall of it");
  t.true(parseResponses(text).isMidMessage);
  const { messages } = parseResponses(text, { closed: true });
  t.is(messages[0]?.body.toString(), "all of it");
  t.false(messages[0]?.head.keepAlive);
});

test("a response that is cut short does not end", (t) => {
  for (const rest of ["Content-Length: 9\r\n\r\nhi", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "X"]) {
    const parsed = parseResponses(latin1(`HTTP/1.1 200 OK\r\n${rest}`), { closed: true });
    t.true(parsed.isMidMessage);
    t.is(parsed.messages.length, 0);
  }
});

const REFUSED: readonly [string, string][] = [
  ["bad-version", "HTTP/1.0 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"],
  ["bad-start-line", "HTTP/1.1\r\n\r\n"],
  ["bad-start-line", "HTTP/1.1 20 OK\r\n\r\n"],
  ["bad-start-line", "HTTP/1.1 2000 OK\r\n\r\n"],
  ["bad-start-line", "HTTP/1.1 OK\r\n\r\n"],
  ["bad-start-line", "HTTP/1.1  200 OK\r\n\r\n"],
  ["bad-start-line", "\r\n\r\n"],
  ["bad-start-line", "ICY 200 OK\r\n"],
  ["bad-start-line", "220 mail.example ESMTP\r\n"],
  ["bad-version", "HTTP/1.1x 200 OK\r\n\r\n"],
  ["unsupported-version", "HTTP/2.0 200 OK\r\n\r\n"],
  ["bad-line-end", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"],
  ["bad-byte", "HTTP/1.1 200 O\x00K\r\n\r\n"],
  ["bad-byte", "SSH-2.0-OpenSSH\x00\r\n"],
  ["folded-field", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n"],
  ["ambiguous-length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["ambiguous-length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"],
  ["bad-content-length", "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n"],
  ["bad-transfer-encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"],
  ["unsupported-transfer-encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
  ["bad-transfer-encoding", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["after-close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\nHTTP"],
];
for (const [code, text] of REFUSED) {
  test(`${code}: ${JSON.stringify(text)}`, (t) => {
    t.is(parseResponses(latin1(text)).error, code);
    t.is(parseResponses(latin1(text), { cuts: Array.from({ length: text.length }, (_, index) => index) }).error, code);
  });
}
