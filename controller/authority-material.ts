/**
 * PEM texts -> what a certificate authority signs with and has agents trust; and a new authority as such texts. Pure: where
 * the texts are kept (files, a Secret) is the business of an `AuthorityStore`.
 */
import "reflect-metadata";
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  hkdfSync,
  webcrypto,
  X509Certificate,
  type KeyObject,
} from "node:crypto";
import * as x509 from "@peculiar/x509";
import { HawserError } from "../core/errors.ts";
import { timers } from "./limits.ts";

export interface AuthorityMaterial {
  readonly key: webcrypto.CryptoKey;
  /** The certificate of `key`. */
  readonly certificate: x509.X509Certificate;
  /** PEM of what lies between a leaf and the roots: empty unless `certificate` is an intermediate. */
  readonly intermediatesPem: string;
  /** PEM of every root to trust. */
  readonly rootsPem: string;
  /** SHA-256 of `certificate` (DER), in lower-case hex. */
  readonly issuer: string;
  /** What only holders of `key` can make: replicas prove by it to each other that they are ones. Secret. */
  readonly replicaToken: string;
}

/** A text, and what an operator calls the place it came from. */
export interface PlacedText {
  readonly text: string;
  readonly place: string;
}

export interface AuthorityTexts {
  readonly key: PlacedText;
  /** The certificate of the key; for an intermediate, followed by those up to its root. */
  readonly certificate: PlacedText;
  /** Further certificates: roots to trust beside it during a rotation, or what lies between it and its root. */
  readonly further: readonly PlacedText[];
}

export type AuthorityErrorCode = "ca-key-missing" | "ca-unusable" | "ca-expired";
export class AuthorityError extends HawserError<AuthorityErrorCode> {}

const CURVES: Readonly<Record<string, string>> = { prime256v1: "P-256", secp384r1: "P-384" };
/** As long as the digest. */
const REPLICA_TOKEN_BYTES = 32;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Throws AuthorityError that names the place of the text that cannot be used. */
export async function readAuthority(texts: AuthorityTexts, nowMs: number): Promise<AuthorityMaterial> {
  const { place } = texts.certificate;
  const keyObject = readKey(texts.key);
  const own = parsePem(texts.certificate);
  const [first] = own;
  if (first === undefined) throw unusable(place, "it holds no certificate");
  if (!first.ca) throw unusable(place, "its first certificate is not that of an authority");
  if (!first.checkPrivateKey(keyObject))
    throw unusable(place, `${texts.key.place} is not the key of its first certificate`);
  if (first.validToDate.getTime() <= nowMs) {
    throw new AuthorityError("ca-expired", `${place} expired at ${first.validToDate.toISOString()}`);
  }
  const all = withoutRepeats([...own, ...texts.further.flatMap(parsePem)]);
  const roots = all.filter(isSelfSigned);
  const others = texts.further.map((further) => further.place).join(" or ");
  if (roots.length === 0) throw unusable(place, `no root is in it or in ${others}`);
  const intermediates = pathToRoot(first, all);
  if (intermediates === undefined)
    throw unusable(place, "its certificates do not lead to a root, each must be issued by another");
  return {
    key: await importKey(keyObject, texts.key.place),
    certificate: new x509.X509Certificate(first.raw),
    intermediatesPem: toPem(intermediates),
    rootsPem: toPem(roots),
    issuer: createHash("sha256").update(first.raw).digest("hex"),
    replicaToken: replicaToken(keyObject),
  };
}

/** Nobody learns the key from it (HKDF, RFC 5869). */
function replicaToken(key: KeyObject): string {
  const bytes = key.export({ type: "pkcs8", format: "der" });
  return Buffer.from(hkdfSync("sha256", bytes, "", "hawser replica", REPLICA_TOKEN_BYTES)).toString("hex");
}

/** PKCS#8 PEM of a new P-256 key. */
export function newAuthorityKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ format: "pem", type: "pkcs8" });
}

/** PEM of a new root for this key. `trustDomain` goes into its name. Throws AuthorityError when the key is not usable. */
export async function newAuthorityCertificate(key: PlacedText, trustDomain: string, nowMs: number): Promise<string> {
  const keyObject = readKey(key);
  const privateKey = await importKey(keyObject, key.place);
  const publicKey = await publicKeyOf(keyObject, privateKey.algorithm as webcrypto.EcKeyImportParams);
  // Two roots of one mesh that are trusted at once need different names.
  const suffix = Buffer.from(webcrypto.getRandomValues(new Uint8Array(4))).toString("hex");
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ O: [trustDomain] }, { CN: [`Hawser CA ${suffix}`] }],
    notBefore: new Date(nowMs - timers.backdateMs),
    notAfter: new Date(nowMs + timers.rootLifetimeMs),
    keys: { privateKey, publicKey },
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(publicKey),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

function unusable(place: string, why: string, cause?: unknown): AuthorityError {
  return new AuthorityError("ca-unusable", `Cannot use ${place}: ${why}`, { cause });
}

function readKey({ text, place }: PlacedText): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw unusable(place, "it is not a private key in PEM", cause);
  }
}

async function importKey(key: KeyObject, place: string): Promise<webcrypto.CryptoKey> {
  const namedCurve = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (key.asymmetricKeyType !== "ec" || namedCurve === undefined) {
    throw unusable(place, "the key must be ECDSA on P-256 or P-384");
  }
  const der = key.export({ format: "der", type: "pkcs8" });
  return await webcrypto.subtle.importKey("pkcs8", der, { name: "ECDSA", namedCurve }, false, ["sign"]);
}

function publicKeyOf(key: KeyObject, algorithm: webcrypto.EcKeyImportParams): Promise<webcrypto.CryptoKey> {
  const jwk = key.export({ format: "jwk" });
  delete jwk.d;
  return webcrypto.subtle.importKey("jwk", jwk, algorithm, true, ["verify"]);
}

/** From a leaf's issuer up to, and without, a root: empty when it is one itself. Undefined when no root is reached. */
function pathToRoot(first: X509Certificate, known: readonly X509Certificate[]): readonly X509Certificate[] | undefined {
  const path: X509Certificate[] = [];
  for (let current: X509Certificate | undefined = first; current !== undefined && !isSelfSigned(current); ) {
    // Two that issued each other lead nowhere.
    if (path.includes(current)) return undefined;
    path.push(current);
    current = issuerOf(current, known);
    if (current === undefined) return undefined;
  }
  return path;
}

function issuerOf(certificate: X509Certificate, known: readonly X509Certificate[]): X509Certificate | undefined {
  return known.find((issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
}

function withoutRepeats(certificates: readonly X509Certificate[]): X509Certificate[] {
  return [...new Map(certificates.map((certificate) => [certificate.fingerprint256, certificate])).values()];
}

function parsePem({ text, place }: PlacedText): X509Certificate[] {
  try {
    return (text.match(PEM_CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
  } catch (cause) {
    throw unusable(place, "it is not PEM of certificates", cause);
  }
}

function toPem(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join("");
}
