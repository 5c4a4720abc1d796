import test from "ava";
import fc from "fast-check";
import { type FirstBytes, recogniseFirstBytes } from "../../../../../agent/http/detect/first-bytes.ts";

const of = (text: string) => recogniseFirstBytes(Buffer.from(text, "latin1"));

test("requests of every version, and what lenient servers take for one, are HTTP", (t) => {
  for (const text of [
    "GET / HTTP/1.1\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "OPTIONS * HTTP/1.1",
    "POST http://shop/ HTTP/1.1",
    "CONNECT shop:80 HTTP/1.1",
    "M-SEARCH * HTTP/1.1",
    "VERSION-CONTROL /a",
    "\r\n\r\nGET /",
    "get / http/1.1",
    "GET\t/ HTTP/1.1",
    "GET  /",
    " GET /",
    `${"\r\n".repeat(100)}GET /`,
    "\n".repeat(1_024),
    // Node and nginx skip any number of blanks; to Go every token is a method, of any length; Python splits at all of these.
    `GET${" ".repeat(100)}/`,
    `${"A".repeat(64)} /`,
    "1GET /",
    "G.T /",
    "GET\v/",
    "GET\xa0/",
    "A".repeat(1_024),
    `GET${" ".repeat(1_021)}`,
  ]) {
    t.is(of(text), "http", JSON.stringify(text.slice(0, 30)));
  }
});

test("TLS is TLS, and the rest are bytes", (t) => {
  t.is(of("\x16\x03\x01\x02\x00\x01"), "tls");
  for (const text of [
    "\x16\x02\x01",
    "*1\r\n$4\r\nPING\r\n",
    "GET key\r\n",
    "get key\r\n",
    "SSH-2.0-x\r\n",
    "EHLO me\r\n",
    "USER me\r\n",
    "\0\0\0\x08\x04\xd2\x16\x2f",
    "\x3a\0\0\0\xa7A\0\0",
    " \0\0\0",
    "GET: /",
    `${"A".repeat(64)}\n`,
    `${"A".repeat(64)} key`,
    "1GET key",
    "\x01GET /",
  ]) {
    t.is(of(text), "bytes", JSON.stringify(text.slice(0, 30)));
  }
});

test("too few bytes tell nothing", (t) => {
  for (const text of ["", "\x16", "G", "GET", "GET ", "GET h", "GET http:/", "PRI", "\r\n", "PO", "A".repeat(1_023)])
    t.is(of(text), undefined, text.slice(0, 30));
});

test("more bytes never change what fewer have told", (t) => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
    fc.stringMatching(/^[A-Za-z \t\r\n\v/*:.-]{0,60}$/).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(anything, (bytes) => {
      let told: FirstBytes | undefined;
      for (let length = 0; length <= bytes.length; length += 1) {
        const what = recogniseFirstBytes(bytes.subarray(0, length));
        if (told !== undefined) t.is(what, told);
        told ??= what;
      }
    }),
    { numRuns: 2_000 },
  );
});
