import test from "ava";
import { readRequest, readResponse } from "../../../../../agent/tunnel/framing/read-message.ts";

const CONNECT = [
  [":method", "CONNECT"],
  [":authority", "10.0.0.1:80"],
] as const;

test("reads a CONNECT request with its headers", (t) => {
  const request = readRequest([...CONNECT, ["forwarded", 'for="10.0.0.2:4711"'], ["baggage", "a=b,c=d"]]);
  t.is(request?.method, "CONNECT");
  t.is(request?.authority, "10.0.0.1:80");
  t.deepEqual({ ...request?.headers }, { forwarded: 'for="10.0.0.2:4711"', baggage: "a=b,c=d" });
});

test("drops a header that is repeated: it is ambiguous", (t) => {
  const request = readRequest([...CONNECT, ["forwarded", "for=a"], ["x", ""], ["forwarded", "for=b"]]);
  t.deepEqual({ ...request?.headers }, { x: "" });
});

test("reads requests of other methods, so that they can be refused with a status", (t) => {
  const fields = [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/"],
    [":authority", "x"],
  ] as const;
  t.is(readRequest(fields)?.method, "GET");
  t.is(readRequest(fields.filter(([name]) => name !== ":path")), undefined);
});

const MALFORMED: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  "without a method": [[":authority", "x"]],
  "of CONNECT without an authority": [[":method", "CONNECT"]],
  "of CONNECT with a path": [...CONNECT, [":path", "/"]],
  "of CONNECT with a scheme": [...CONNECT, [":scheme", "https"]],
  "with a pseudo-header twice": [...CONNECT, [":authority", "y"]],
  "with a pseudo-header after a header": [
    [":method", "CONNECT"],
    ["x", "y"],
    [":authority", "x"],
  ],
  "with a pseudo-header of a response": [...CONNECT, [":status", "200"]],
  "with an unknown pseudo-header": [...CONNECT, [":x", "y"]],
  "with upper case": [...CONNECT, ["Forwarded", "x"]],
  "with an empty name": [...CONNECT, ["", "x"]],
  "with a name that is no token": [...CONNECT, ["a b", "x"]],
  "with a line break in a value": [...CONNECT, ["x", "a\r\nb"]],
  "with a null in a value": [...CONNECT, ["x", "a\0"]],
  "with blanks at the end of a value": [...CONNECT, ["x", "a "]],
  "with a header of HTTP/1.1": [...CONNECT, ["transfer-encoding", "chunked"]],
};

for (const [what, fields] of Object.entries(MALFORMED)) {
  test(`refuses a request ${what}`, (t) => {
    t.is(readRequest(fields), undefined);
  });
}

test("reads a response and its reason", (t) => {
  t.deepEqual(readResponse([[":status", "200"]]), { status: 200, reason: undefined });
  const refusal = [
    [":status", "503"],
    ["hawser-reason", "connection refused"],
  ] as const;
  t.deepEqual(readResponse(refusal), { status: 503, reason: "connection refused" });
});

test("refuses a response without a valid status", (t) => {
  for (const fields of [
    [],
    [[":status", "20"]],
    [
      [":status", "200"],
      [":status", "200"],
    ],
    [[":method", "GET"]],
  ]) {
    t.is(readResponse(fields as [string, string][]), undefined);
  }
});
