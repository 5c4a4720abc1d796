import { generateKeyPairSync } from "node:crypto";
import test from "ava";
import fc from "fast-check";
import { withoutSecrets } from "../../../../agent/admin/without-secrets.ts";

test("private keys in any PEM form are taken out, wherever they are", (t) => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const forms = [
    privateKey.export({ type: "pkcs8", format: "pem" }),
    privateKey.export({ type: "sec1", format: "pem" }),
    privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" }),
  ];
  for (const pem of forms) {
    t.notRegex(JSON.stringify(withoutSecrets({ a: [{ text: `prefix ${pem}` }] })), /PRIVATE KEY/);
  }
});

test("fields named as secrets are taken out", (t) => {
  const secrets = { token: "s3", joinToken: "s3", key_pem: "s3", keyPem: "s3", privateKey: "s3", password: "s3" };
  t.notRegex(JSON.stringify(withoutSecrets({ deep: [secrets] })), /s3/);
});

test("raw bytes are shown by their length only", (t) => {
  t.deepEqual(withoutSecrets({ ticket: Buffer.from("abc") }), { ticket: "(3 bytes)" });
});

test("maps become objects and sets become arrays", (t) => {
  t.deepEqual(withoutSecrets({ map: new Map([["a", 1]]), set: new Set([1, 2]) }), { map: { a: 1 }, set: [1, 2] });
});

test("fields that only sound alike stay", (t) => {
  const harmless = { keyExchange: "X25519", tokenFile: "/run/token", keys: ["a"] };
  t.deepEqual(withoutSecrets(harmless), harmless);
});

test("any JSON value without secrets is unchanged", (t) => {
  const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
  fc.assert(
    fc.property(json, (value) => {
      const text = JSON.stringify(value);
      return /token|secret|password|key/i.test(text) || JSON.stringify(withoutSecrets(value)) === text;
    }),
  );
  t.pass();
});
