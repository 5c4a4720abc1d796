import test from "ava";
import fc from "fast-check";
import { readServerHello } from "../../../../lab/wire/server-hello.ts";
import { serverHello } from "../../../support/packet-builder.ts";

test("readServerHello names TLS 1.3, the post-quantum group and the cipher suite", (t) => {
  t.deepEqual(readServerHello(serverHello({ version: 0x0304, group: 0x11ec, cipher: 0x1302 })), {
    kind: "hello",
    negotiated: { tlsVersion: "TLSv1.3", keyExchange: "X25519MLKEM768", cipherSuite: "TLS_AES_256_GCM_SHA384" },
  });
});

test("readServerHello tells the classical group from the post-quantum one", (t) => {
  t.like(readServerHello(serverHello({ version: 0x0304, group: 0x001d })), { negotiated: { keyExchange: "X25519" } });
});

test("readServerHello says none for a resumption without key exchange", (t) => {
  t.like(readServerHello(serverHello({ version: 0x0304 })), { negotiated: { keyExchange: "none" } });
});

test("readServerHello takes the legacy version without supported_versions", (t) => {
  t.like(readServerHello(serverHello()), { negotiated: { tlsVersion: "TLSv1.2", keyExchange: "unknown" } });
});

test("readServerHello shows numbers that it has no name for", (t) => {
  const negotiated = { tlsVersion: "0x0305", keyExchange: "0x1234", cipherSuite: "0xc02f" };
  t.like(readServerHello(serverHello({ version: 0x0305, group: 0x1234, cipher: 0xc02f })), { negotiated });
});

test("readServerHello does not take a HelloRetryRequest for an answer", (t) => {
  const random = Buffer.from("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c", "hex");
  t.deepEqual(readServerHello(serverHello({ version: 0x0304, random })), { kind: "retry-request" });
});

test("readServerHello gives nothing for other messages", (t) => {
  t.is(readServerHello(Buffer.from([1, 0, 0, 0])), undefined);
  t.is(readServerHello(Buffer.alloc(0)), undefined);
});

test("readServerHello never throws on cut or corrupt messages", (t) => {
  const whole = serverHello({ version: 0x0304, group: 0x11ec, shareBytes: 40 });
  const property = fc.property(
    fc.nat(whole.length),
    fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 5 }),
    (length, edits) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of edits) bytes[at] = value;
      t.notThrows(() => readServerHello(bytes.subarray(0, length)));
    },
  );
  fc.assert(property, { numRuns: 1000 });
});
