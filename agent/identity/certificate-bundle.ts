/**
 * A key, its certificate and the roots to trust: what a TLS context of one identity is made of. Plain data, so that it
 * can be posted to data workers; holds a secret, so that it must never be logged or dumped.
 */
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { HawserError } from "../../core/errors.ts";
import { parseIdentity } from "../../protocol/identity.ts";
import { identityLimits } from "./limits.ts";

export interface CertificateBundle {
  /** `spiffe://...` */
  readonly identity: string;
  /** PKCS#8 PEM. Secret. */
  readonly keyPem: string;
  /** The leaf, then intermediates. */
  readonly chainPem: string;
  /** Every root to trust. */
  readonly rootsPem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface BundleParts {
  readonly identity: string;
  readonly keyPem: string;
  readonly chainPem: string;
  readonly rootsPem: string;
}

export type CertificateErrorCode =
  | "wrong-identity"
  | "wrong-key"
  | "unreadable-certificate"
  | "untrusted-certificate"
  | "expired-on-arrival";
export class CertificateError extends HawserError<CertificateErrorCode> {}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Checks that the parts belong together: the leaf names exactly `identity`, was made for the key, and one of the
 * certificates that came with it leads to a root. Throws CertificateError. Validity in time is the caller's question.
 */
export function assembleBundle(parts: BundleParts): CertificateBundle {
  if (parts.chainPem.length > identityLimits.pemBytes || parts.rootsPem.length > identityLimits.pemBytes) {
    throw new CertificateError(
      "unreadable-certificate",
      `Certificates are longer than ${identityLimits.pemBytes} bytes`,
    );
  }
  const chain = parseCertificates(parts.chainPem, "certificate chain");
  const roots = parseCertificates(parts.rootsPem, "root bundle");
  const [leaf] = chain;
  if (leaf === undefined) throw new CertificateError("unreadable-certificate", "Certificate chain is empty");
  if (leaf.subjectAltName !== `URI:${parts.identity}` || parseIdentity(parts.identity) === undefined) {
    throw new CertificateError(
      "wrong-identity",
      `Certificate names ${leaf.subjectAltName ?? "nobody"}, expected URI:${parts.identity}`,
    );
  }
  if (!keyFits(leaf, parts.keyPem)) {
    throw new CertificateError("wrong-key", `Certificate of ${parts.identity} was made for another key`);
  }
  if (!leadsToRoot(chain, roots)) {
    throw new CertificateError("untrusted-certificate", `Certificate of ${parts.identity} does not lead to a root`);
  }
  return { ...parts, notBeforeMs: leaf.validFromDate.getTime(), notAfterMs: leaf.validToDate.getTime() };
}

/** False when the roots have moved on since the leaf was issued: it needs a successor. */
export function isTrusted(bundle: CertificateBundle): boolean {
  return leadsToRoot(
    parseCertificates(bundle.chainPem, "certificate chain"),
    parseCertificates(bundle.rootsPem, "root bundle"),
  );
}

/** Whether the certificate with this SHA-256 (lower-case hex) has signed the leaf. */
export function isIssuedBy(bundle: CertificateBundle, issuer: string): boolean {
  const [leaf, ...intermediates] = parseCertificates(bundle.chainPem, "certificate chain");
  const roots = parseCertificates(bundle.rootsPem, "root bundle");
  const found = [...intermediates, ...roots].find(
    (certificate) => createHash("sha256").update(certificate.raw).digest("hex") === issuer,
  );
  return leaf !== undefined && found !== undefined && leaf.checkIssued(found) && leaf.verify(found.publicKey);
}

/** Throws CertificateError when the text is not a root bundle that could be put in force. */
export function checkRoots(rootsPem: string): void {
  if (rootsPem.length > identityLimits.pemBytes) {
    throw new CertificateError("unreadable-certificate", `Root bundle is longer than ${identityLimits.pemBytes} bytes`);
  }
  if (parseCertificates(rootsPem, "root bundle").length === 0) {
    throw new CertificateError("unreadable-certificate", "Root bundle holds no certificate");
  }
}

function parseCertificates(pem: string, what: string): X509Certificate[] {
  try {
    return (pem.match(PEM_CERTIFICATE) ?? []).map((text) => new X509Certificate(text));
  } catch (cause) {
    throw new CertificateError("unreadable-certificate", `Cannot read the ${what}`, { cause });
  }
}

function keyFits(leaf: X509Certificate, keyPem: string): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey(keyPem));
  } catch (cause) {
    throw new CertificateError("wrong-key", "Cannot read the private key", { cause });
  }
}

/** Each certificate is issued by the next one, the last by a root. */
function leadsToRoot(chain: readonly X509Certificate[], roots: readonly X509Certificate[]): boolean {
  return chain.every((certificate, index) => {
    const next = chain[index + 1];
    const issuers = next === undefined ? roots : [next];
    return issuers.some((issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
  });
}
