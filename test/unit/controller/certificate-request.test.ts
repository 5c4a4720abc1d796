import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import test from "ava";
import fc from "fast-check";
import { createCertificateRequest } from "../../../agent/identity/certificate-request.ts";
import { checkCertificateRequest, RequestError } from "../../../controller/certificate-request.ts";
import { limits } from "../../../controller/limits.ts";
import { newKeys, testRequest, type RequestShape } from "../../support/certificate-requests.ts";

const identity = "spiffe://cluster.local/ns/shop/sa/default";

test("checkCertificateRequest takes what an agent makes", async (t) => {
  const { csrPem } = await createCertificateRequest(identity);
  t.is((await checkCertificateRequest(csrPem)).identity, identity);
});

const refused: Readonly<Record<string, { shape: RequestShape; code: string }>> = {
  "two identities": {
    shape: {
      names: [
        { type: "url", value: identity },
        { type: "url", value: `${identity}2` },
      ],
    },
    code: "wrong-names",
  },
  "an identity and a DNS name": {
    shape: {
      names: [
        { type: "url", value: identity },
        { type: "dns", value: "controller" },
      ],
    },
    code: "wrong-names",
  },
  "a DNS name only": { shape: { names: [{ type: "dns", value: "controller" }] }, code: "wrong-names" },
  "no name": { shape: { names: [] }, code: "wrong-names" },
  "a URI that is no identity": {
    shape: { names: [{ type: "url", value: "https://example.com/" }] },
    code: "wrong-names",
  },
  "a subject": { shape: { subject: "CN=controller" }, code: "wrong-names" },
  "no extension": { shape: { extensions: [] }, code: "wrong-names" },
  "basic constraints of an authority": {
    shape: {
      extensions: [
        new x509.SubjectAlternativeNameExtension([{ type: "url", value: identity }]),
        new x509.BasicConstraintsExtension(true, 1, true),
      ],
    },
    code: "wrong-names",
  },
};

for (const [what, { shape, code }] of Object.entries(refused)) {
  test(`checkCertificateRequest refuses ${what}`, async (t) => {
    const pem = await testRequest(shape);
    await t.throwsAsync(checkCertificateRequest(pem), { instanceOf: RequestError, code });
  });
}

test("checkCertificateRequest refuses a key that is not on P-256", async (t) => {
  const pem = await testRequest({ keys: await newKeys("P-384") });
  await t.throwsAsync(checkCertificateRequest(pem), { code: "wrong-key" });
});

test("checkCertificateRequest refuses a public key whose owner did not sign", async (t) => {
  const mine = await newKeys();
  const stolen = await newKeys();
  const pem = await testRequest({ keys: { privateKey: mine.privateKey, publicKey: stolen.publicKey } });
  await t.throwsAsync(checkCertificateRequest(pem), { code: "no-proof" });
});

test("checkCertificateRequest refuses a request that was changed after it was signed", async (t) => {
  const der = Buffer.from(new x509.Pkcs10CertificateRequest(await testRequest({})).rawData);
  der.write("shop".replace("s", "x"), der.indexOf("shop"));
  const pem = x509.PemConverter.encode(der, "CERTIFICATE REQUEST");
  await t.throwsAsync(checkCertificateRequest(pem), { code: "no-proof" });
});

test("checkCertificateRequest refuses a request beyond the size bound", async (t) => {
  const pem = "A".repeat(limits.certificateRequestBytes + 1);
  await t.throwsAsync(checkCertificateRequest(pem), { code: "unreadable-request" });
});

test("checkCertificateRequest refuses a certificate where a request belongs", async (t) => {
  const pem = (await testRequest({})).replaceAll("CERTIFICATE REQUEST", "CERTIFICATE");
  await t.throwsAsync(checkCertificateRequest(pem), { code: "unreadable-request" });
});

test("checkCertificateRequest answers garbage with a RequestError", async (t) => {
  const pem = fc.oneof(
    fc.string(),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => x509.PemConverter.encode(bytes, "CERTIFICATE REQUEST")),
  );
  await fc.assert(
    fc.asyncProperty(pem, async (text) => {
      await t.throwsAsync(checkCertificateRequest(text), { instanceOf: RequestError });
    }),
    { numRuns: 200 },
  );
});

test("one flipped byte makes a request refused, or changes nothing that counts", async (t) => {
  const pem = await testRequest({});
  const honest = await checkCertificateRequest(pem);
  const der = Buffer.from(new x509.Pkcs10CertificateRequest(pem).rawData);
  const flip = fc.record({ at: fc.nat(der.length - 1), mask: fc.integer({ min: 1, max: 255 }) });
  await fc.assert(
    fc.asyncProperty(flip, async ({ at, mask }) => {
      const broken = Buffer.from(der);
      broken[at] = (broken[at] ?? 0) ^ mask;
      try {
        const checked = await checkCertificateRequest(x509.PemConverter.encode(broken, "CERTIFICATE REQUEST"));
        t.is(checked.identity, honest.identity);
        t.deepEqual(checked.publicKey.rawData, honest.publicKey.rawData);
      } catch (error) {
        t.true(error instanceof RequestError, String(error));
      }
    }),
    { numRuns: 300 },
  );
});
