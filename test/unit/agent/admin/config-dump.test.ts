import { generateKeyPairSync } from "node:crypto";
import test from "ava";
import { configDump } from "../../../../agent/admin/config-dump.ts";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const BUNDLE = {
  identity: "spiffe://cluster.local/ns/shop/sa/front",
  keyPem: privateKey.export({ type: "pkcs8", format: "pem" }),
  chainPem: "garbage",
  rootsPem: "",
  notBeforeMs: Date.UTC(2026, 0, 1),
  notAfterMs: Date.UTC(2026, 0, 2),
};
const PARTS = {
  version: "1",
  node: "node-1",
  instance: "i1",
  settings: { workers: 2 },
  interception: { backend: "nft" },
  quotas: [],
  table: undefined,
  certificates: [BUNDLE],
};

test("a bundle is dumped with its identity and times, and without its key", (t) => {
  const dump = configDump(PARTS);
  t.like(dump, { node: "node-1", settings: { workers: 2 }, interception: { backend: "nft" }, table: null });
  const [certificate] = dump["certificates"] as Record<string, unknown>[];
  t.like(certificate, { identity: BUNDLE.identity, notAfter: "2026-01-02T00:00:00.000Z" });
  t.notRegex(JSON.stringify(dump), /PRIVATE|keyPem/);
});

test("a certificate that cannot be read is dumped with the problem", (t) => {
  const [certificate] = configDump(PARTS)["certificates"] as Record<string, unknown>[];
  t.regex(String(certificate?.["problem"]), /Cannot read the certificate/);
});
