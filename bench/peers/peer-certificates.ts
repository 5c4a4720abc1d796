/**
 * Certificates of the two nodes for the peers, made anew for every run: one CA, ECDSA P-256 leaves as our agents have
 * them, with the node's name. A leaf's PEM holds the certificate and then its key, which all peers accept.
 */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

export interface PeerCertificates {
  readonly caPem: string;
  /** Certificate, then key. */
  readonly clientPem: string;
  readonly serverPem: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** Longer than any run. */
const LIFETIME_MS = 24 * 3_600_000;
/** Clocks are the same machine's: a minute is for rounding. */
const BACKDATE_MS = 60_000;

export async function createPeerCertificates(client: string, server: string): Promise<PeerCertificates> {
  const keys = await generateKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Hawser bench",
    ...validity(),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const [clientPem, serverPem] = await Promise.all([issue(client, ca, keys), issue(server, ca, keys)]);
  return { caPem: ca.toString("pem"), clientPem, serverPem };
}

async function issue(name: string, ca: x509.X509Certificate, caKeys: webcrypto.CryptoKeyPair): Promise<string> {
  const keys = await generateKeys();
  const leaf = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: ca.subject,
    ...validity(),
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: name }]),
      await x509.AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return `${leaf.toString("pem")}\n${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`;
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

function validity(): { readonly notBefore: Date; readonly notAfter: Date } {
  const nowMs = Date.now();
  return { notBefore: new Date(nowMs - BACKDATE_MS), notAfter: new Date(nowMs + LIFETIME_MS) };
}
