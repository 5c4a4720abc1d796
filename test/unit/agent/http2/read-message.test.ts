/** Which messages are malformed (RFC 9113 sections 8.1 to 8.3), and what is read of those that are not. */
import test from "ava";
import { readRequestMessage, readResponseMessage, readTrailers } from "../../../../agent/http2/read-message.ts";
import { listOf } from "../../../support/request-pair.ts";

type List = readonly (readonly [string, string])[];

const METHOD = [":method", "GET"] as const;
const SCHEME = [":scheme", "http"] as const;
const PATH = [":path", "/a?b"] as const;
const AUTHORITY = [":authority", "shop:80"] as const;
const PROTOCOL = [":protocol", "websocket"] as const;
const PSEUDO: List = [METHOD, SCHEME, PATH, AUTHORITY];

test("reads a request", (t) => {
  const list: List = [
    ...PSEUDO,
    ["x-a", "1"],
    ["cookie", "a=1"],
    ["te", "trailers"],
    ["cookie", "b=2"],
    ["x-a", "2\xff"],
    ["content-length", "12"],
    ["expect", "100-Continue"],
    ["empty", ""],
  ];
  const { fields, ...rest } = readRequestMessage(list, false);
  t.is(listOf(fields), "x-a=1 cookie=a=1; b=2 x-a=2\xff empty=");
  t.deepEqual(rest, {
    method: "GET",
    protocol: undefined,
    scheme: "http",
    authority: "shop:80",
    path: "/a?b",
    length: 12,
    trailersWanted: true,
    expectsContinue: true,
  });
});

test("host stands for an authority that is not there, and may repeat one that is", (t) => {
  t.is(readRequestMessage([METHOD, SCHEME, PATH, ["host", "shop"]], true).authority, "shop");
  t.is(readRequestMessage([...PSEUDO, ["host", "SHOP:80"]], true).authority, "shop:80");
});

test("OPTIONS may be about everything, and CONNECT about a host alone", (t) => {
  const options: List = [[":method", "OPTIONS"], SCHEME, [":path", "*"], AUTHORITY];
  t.is(readRequestMessage(options, true).path, "*");
  const connect = readRequestMessage([[":method", "CONNECT"], AUTHORITY], false);
  t.deepEqual([connect.scheme, connect.path, connect.authority], ["", "", "shop:80"]);
  const extended = readRequestMessage([[":method", "CONNECT"], SCHEME, PATH, AUTHORITY, PROTOCOL], false);
  t.like(extended, { protocol: "websocket", scheme: "http", path: "/a?b", authority: "shop:80" });
});

const replaced = (name: string, value: string): List =>
  PSEUDO.map((each) => (each[0] === name ? ([name, value] as const) : each));
const without = (name: string): List => PSEUDO.filter((each) => each[0] !== name);

const MALFORMED_REQUESTS: Readonly<Record<string, List>> = {
  "no :method": without(":method"),
  "no :scheme": without(":scheme"),
  "no :path": without(":path"),
  "neither :authority nor host": without(":authority"),
  "an empty :path": replaced(":path", ""),
  "an empty :authority": replaced(":authority", ""),
  "an empty :method": replaced(":method", ""),
  "a method in lower case": replaced(":method", "get"),
  "a method that is no word": replaced(":method", "GET /"),
  "a method of 33 letters": replaced(":method", "G".repeat(33)),
  "a :path without a slash": replaced(":path", "a"),
  "a :path with a space": replaced(":path", "/a b"),
  "a :path with a fragment": replaced(":path", "/a#b"),
  "a :path that is not ASCII": replaced(":path", "/\xe4"),
  "a :path of the absolute form": replaced(":path", "http://shop/"),
  "a :path of everything for GET": replaced(":path", "*"),
  "a :scheme that is none of HTTP": replaced(":scheme", "ftp"),
  "an :authority with user information": replaced(":authority", "me@shop"),
  "an :authority with a path": replaced(":authority", "shop/a"),
  "an :authority with a space": replaced(":authority", "shop a"),
  "a pseudo-header twice": [...PSEUDO, METHOD],
  "a pseudo-header after a field": [...without(":path"), ["x", "y"], PATH],
  "a pseudo-header of responses": [...PSEUDO, [":status", "200"]],
  "a pseudo-header nobody knows": [...PSEUDO, [":x", "y"]],
  "a pseudo-header without a name": [...PSEUDO, [":", "y"]],
  ":protocol without CONNECT": [...PSEUDO, PROTOCOL],
  ":protocol twice": [...replaced(":method", "CONNECT"), PROTOCOL, PROTOCOL],
  "a :protocol that is no word": [...replaced(":method", "CONNECT"), [":protocol", "web socket"]],
  "a :protocol without a name": [...replaced(":method", "CONNECT"), [":protocol", ""]],
  "extended CONNECT without a :path": [[":method", "CONNECT"], SCHEME, AUTHORITY, PROTOCOL],
  "extended CONNECT without a :scheme": [[":method", "CONNECT"], PATH, AUTHORITY, PROTOCOL],
  "extended CONNECT with a content-length": [...replaced(":method", "CONNECT"), PROTOCOL, ["content-length", "0"]],
  "CONNECT with a :path": [[":method", "CONNECT"], AUTHORITY, PATH],
  "CONNECT with a :scheme": [[":method", "CONNECT"], AUTHORITY, SCHEME],
  "CONNECT without a host": [[":method", "CONNECT"]],
  "another host": [...PSEUDO, ["host", "other"]],
  "two hosts": [...PSEUDO, ["host", "shop:80"], ["host", "shop:80"]],
  "a name in upper case": [...PSEUDO, ["X-a", "1"]],
  "special names in upper case": [...PSEUDO, ["Content-Length", "1"]],
  "an empty name": [...PSEUDO, ["", "1"]],
  "a name with a space": [...PSEUDO, ["x a", "1"]],
  "a name with a colon": [...PSEUDO, ["x:a", "1"]],
  "a name that is not ASCII": [...PSEUDO, ["x\xe4", "1"]],
  "a value with CR": [...PSEUDO, ["x", "a\rb"]],
  "a value with LF": [...PSEUDO, ["x", "a\nb: c"]],
  "a value with NUL": [...PSEUDO, ["x", "a\0b"]],
  "a value with DEL": [...PSEUDO, ["x", "a\x7fb"]],
  "a value with a blank before it": [...PSEUDO, ["x", " a"]],
  "a value with a tab behind it": [...PSEUDO, ["x", "a\t"]],
  "a value of blanks": [...PSEUDO, ["x", " "]],
  "a pseudo-header with LF": replaced(":path", "/a\nb"),
  connection: [...PSEUDO, ["connection", "close"]],
  "proxy-connection": [...PSEUDO, ["proxy-connection", "close"]],
  "keep-alive": [...PSEUDO, ["keep-alive", "timeout=1"]],
  "transfer-encoding": [...PSEUDO, ["transfer-encoding", "chunked"]],
  upgrade: [...PSEUDO, ["upgrade", "websocket"]],
  "te other than trailers": [...PSEUDO, ["te", "gzip"]],
  "te with more than trailers": [...PSEUDO, ["te", "trailers, gzip"]],
  "content-length twice": [...PSEUDO, ["content-length", "1"], ["content-length", "1"]],
  "content-length as a list": [...PSEUDO, ["content-length", "1,1"]],
  "content-length with a sign": [...PSEUDO, ["content-length", "+1"]],
  "content-length in another base": [...PSEUDO, ["content-length", "0x1"]],
  "content-length that nobody can count to": [...PSEUDO, ["content-length", "9".repeat(19)]],
  "an expectation that nobody knows": [...PSEUDO, ["expect", "cake"]],
};

for (const [what, list] of Object.entries(MALFORMED_REQUESTS)) {
  test(`a request is malformed with ${what}`, (t) => {
    t.throws(() => readRequestMessage(list, false), { code: "protocol-error" });
  });
}

test("a request that ends must not have said that a body follows", (t) => {
  t.throws(() => readRequestMessage([...PSEUDO, ["content-length", "1"]], true), { code: "protocol-error" });
  t.is(readRequestMessage([...PSEUDO, ["content-length", "0"]], true).length, 0);
});

test("reads a response, and no length where there is no body", (t) => {
  const response = readResponseMessage(
    [
      [":status", "404"],
      ["content-length", "3"],
      ["host", "fine here"],
    ],
    false,
  );
  t.deepEqual([response.status, response.length, listOf(response.fields)], [404, 3, "host=fine here"]);
  t.is(
    readResponseMessage(
      [
        [":status", "204"],
        ["content-length", "3"],
      ],
      true,
    ).length,
    undefined,
  );
  t.is(readResponseMessage([[":status", "103"]], false).status, 103);
});

const MALFORMED_RESPONSES: Readonly<Record<string, List>> = {
  "no :status": [["x", "y"]],
  "a :status of two digits": [[":status", "20"]],
  "a :status that is no number": [[":status", "2x0"]],
  "a :status of 0": [[":status", "000"]],
  ":status twice": [
    [":status", "200"],
    [":status", "200"],
  ],
  "a pseudo-header of requests": [
    [":status", "200"],
    [":path", "/"],
  ],
  101: [[":status", "101"]],
  connection: [
    [":status", "200"],
    ["connection", "close"],
  ],
  "content-length twice": [
    [":status", "200"],
    ["content-length", "1"],
    ["content-length", "2"],
  ],
};

for (const [what, list] of Object.entries(MALFORMED_RESPONSES)) {
  test(`a response is malformed with ${what}`, (t) => {
    t.throws(() => readResponseMessage(list, false), { code: "protocol-error" });
  });
}

test("an interim response is not the end", (t) => {
  t.throws(() => readResponseMessage([[":status", "100"]], true), { code: "protocol-error" });
});

test("trailers end a message, and have nothing that says how it is framed or whose it is", (t) => {
  t.is(listOf(readTrailers([["grpc-status", "0"]], true)), "grpc-status=0");
  t.throws(() => readTrailers([["grpc-status", "0"]], false), { code: "protocol-error" });
  for (const field of [
    [":status", "200"],
    [":path", "/"],
    ["content-length", "1"],
    ["host", "a"],
    ["connection", "close"],
    ["X", "a"],
  ]) {
    t.throws(() => readTrailers([field as [string, string]], true), { code: "protocol-error" }, field.join());
  }
});
