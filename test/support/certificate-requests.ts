/** The controller's authority in a test's directory, and requests as an honest or a dishonest agent would make them. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { AuthorityFiles } from "../../controller/authority-files.ts";
import { CertificateAuthority } from "../../controller/certificate-authority.ts";
import type { Clock } from "../../core/clock.ts";
import { RecordingLog } from "./recording-log.ts";

export async function openTestAuthority(directory: string, clock: Clock): Promise<CertificateAuthority> {
  const log = new RecordingLog();
  const store = new AuthorityFiles({ directory, trustDomain: "cluster.local", clock, log });
  const material = await store.open(() => {});
  await store.close();
  return new CertificateAuthority(material, clock);
}

export function newKeys(namedCurve = "P-256"): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve }, true, ["sign", "verify"]);
}

export interface RequestShape {
  readonly names?: x509.JsonGeneralNames;
  readonly subject?: string;
  readonly extensions?: readonly x509.Extension[];
  readonly keys?: webcrypto.CryptoKeyPair;
}

/** PKCS#10 PEM; by default for one identity. */
export async function testRequest(shape: RequestShape): Promise<string> {
  const names = shape.names ?? [{ type: "url", value: "spiffe://cluster.local/ns/shop/sa/default" }];
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    ...(shape.subject === undefined ? {} : { name: shape.subject }),
    keys: shape.keys ?? (await newKeys()),
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [...(shape.extensions ?? [new x509.SubjectAlternativeNameExtension(names)])],
  });
  return csr.toString("pem");
}
