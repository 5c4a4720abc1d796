/** The API server's certificate and the root it leads to, made anew for every lab. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";

export interface ServingCertificate {
  readonly rootPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** Back by an hour for clocks that differ, and longer than any lab runs. */
const VALID_MS = { before: 3_600_000, after: 30 * 24 * 3_600_000 } as const;

/** `names`: DNS names and addresses. */
export async function makeServingCertificate(names: readonly string[], nowMs: number): Promise<ServingCertificate> {
  const [rootKeys, keys] = await Promise.all([generateKeys(), generateKeys()]);
  const validity = { notBefore: new Date(nowMs - VALID_MS.before), notAfter: new Date(nowMs + VALID_MS.after) };
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: "CN=lab-kubernetes-ca",
    keys: rootKeys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  const leaf = await x509.X509CertificateGenerator.create({
    ...validity,
    subject: "CN=kube-apiserver",
    issuer: root.subject,
    publicKey: keys.publicKey,
    signingKey: rootKeys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
      ),
    ],
  });
  return {
    rootPem: `${root.toString("pem")}\n`,
    certificatePem: `${leaf.toString("pem")}\n`,
    keyPem: `${await privateKeyPem(keys.privateKey)}\n`,
  };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}
