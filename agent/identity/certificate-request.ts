/**
 * A fresh P-256 key and the PKCS#10 request for it. The key is made here and never leaves the node.
 */
import { generateKeyPair, webcrypto } from "node:crypto";
import { promisify } from "node:util";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";

export interface CertificateRequest {
  /** PKCS#8 PEM. Secret. */
  readonly keyPem: string;
  /** PKCS#10 PEM whose only name is the SPIFFE URI. */
  readonly csrPem: string;
}

const KEY = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;

export async function createCertificateRequest(identity: string): Promise<CertificateRequest> {
  const pair = await promisify(generateKeyPair)("ec", { namedCurve: KEY.namedCurve });
  const pkcs8 = pair.privateKey.export({ format: "der", type: "pkcs8" });
  const spki = pair.publicKey.export({ format: "der", type: "spki" });
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    keys: {
      privateKey: await webcrypto.subtle.importKey("pkcs8", pkcs8, KEY, false, ["sign"]),
      publicKey: await webcrypto.subtle.importKey("spki", spki, KEY, true, ["verify"]),
    },
    signingAlgorithm: SIGNATURE,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: "url", value: identity }], true)],
  });
  return { keyPem: pair.privateKey.export({ format: "pem", type: "pkcs8" }), csrPem: csr.toString("pem") };
}
