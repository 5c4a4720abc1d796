/**
 * The certificate authority's files in the state directory.
 *
 *   ca.key               PKCS#8 PEM, 0600. Created once; or brought by the user together with ca.crt
 *   ca.crt               its certificate; for an intermediate, followed by the certificates up to its root
 *   ca-extra-roots.pem   optional: further roots to trust, for the time of a rotation
 *   ca-root.pem          written at every start: all roots; what agents are given
 *
 * A crash between key and certificate is repaired at the next start: the certificate is made from the key.
 */
import "reflect-metadata";
import { createPrivateKey, generateKeyPairSync, webcrypto, X509Certificate, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import type { Clock } from "../core/clock.ts";
import { describeError, HawserError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { writeFileAtomic } from "../core/write-file-atomic.ts";
import type { AuthorityMaterial } from "./certificate-authority.ts";
import { timers } from "./limits.ts";

export interface AuthorityFilesOptions {
  /** Must exist. */
  readonly directory: string;
  /** For the name of a new root. */
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly log: Log;
}

export type AuthorityErrorCode = "ca-key-missing" | "ca-unusable" | "ca-expired";
export class AuthorityError extends HawserError<AuthorityErrorCode> {}

const CURVES: Readonly<Record<string, string>> = { prime256v1: "P-256", secp384r1: "P-384" };
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Throws AuthorityError when files are there but cannot be used, and the system's error when they cannot be written. */
export async function openAuthority(options: AuthorityFilesOptions): Promise<AuthorityMaterial> {
  const { directory, clock, log } = options;
  const path = (name: string): string => join(directory, name);
  let keyPem = await readIfThere(path("ca.key"));
  let certificatePem = await readIfThere(path("ca.crt"));
  if (keyPem === undefined && certificatePem !== undefined) {
    throw new AuthorityError(
      "ca-key-missing",
      `${path("ca.crt")} is there but ca.key is not; add the key or move ca.crt away`,
    );
  }
  if (keyPem === undefined) {
    keyPem = newKeyPem();
    await writeFileAtomic(path("ca.key"), keyPem);
  }
  const keyObject = readKey(keyPem, path("ca.key"));
  const key = await importKey(keyObject, path("ca.key"));
  if (certificatePem === undefined) {
    certificatePem = await selfSign(key, keyObject, options);
    await writeFileAtomic(path("ca.crt"), certificatePem, { mode: 0o644 });
    log.info({ path: path("ca.crt") }, "Certificate authority created");
  }
  const extraRoots = (await readIfThere(path("ca-extra-roots.pem"))) ?? "";
  const material = assemble({ key, keyObject, certificatePem, extraRoots, path: path("ca.crt"), nowMs: clock.nowMs() });
  await publishRoots(path("ca-root.pem"), material.rootsPem, log);
  return material;
}

/** On a disk that has become read-only the controller still serves: what it needs is there. */
async function publishRoots(path: string, rootsPem: string, log: Log): Promise<void> {
  try {
    if ((await readIfThere(path)) !== rootsPem) await writeFileAtomic(path, rootsPem, { mode: 0o644 });
  } catch (error) {
    log.error({ path, error: describeError(error) }, "Cannot write the roots for agents");
  }
}

interface Parts {
  readonly key: CryptoKey;
  readonly keyObject: KeyObject;
  readonly certificatePem: string;
  readonly extraRoots: string;
  readonly path: string;
  readonly nowMs: number;
}

function assemble(parts: Parts): AuthorityMaterial {
  const unusable = (why: string, cause?: unknown): AuthorityError =>
    new AuthorityError("ca-unusable", `Cannot use ${parts.path}: ${why}`, { cause });
  let chain: X509Certificate[];
  let extra: X509Certificate[];
  try {
    chain = parsePem(parts.certificatePem);
    extra = parsePem(parts.extraRoots);
  } catch (cause) {
    throw unusable("it or ca-extra-roots.pem is not PEM of certificates", cause);
  }
  const [first] = chain;
  if (first === undefined) throw unusable("it holds no certificate");
  if (!first.ca) throw unusable("its first certificate is not that of an authority");
  if (!first.checkPrivateKey(parts.keyObject)) throw unusable("ca.key is not the key of its first certificate");
  if (first.validToDate.getTime() <= parts.nowMs) {
    throw new AuthorityError("ca-expired", `${parts.path} expired at ${first.validToDate.toISOString()}`);
  }
  const roots = [...chain, ...extra].filter(isSelfSigned);
  if (roots.length === 0) throw unusable("no root is in it or in ca-extra-roots.pem");
  if (!leadsToRoot(chain, roots))
    throw unusable("its certificates do not lead to a root, each must be issued by the next");
  return {
    key: parts.key,
    certificate: new x509.X509Certificate(first.raw),
    intermediatesPem: toPem(chain.filter((certificate) => !isSelfSigned(certificate))),
    rootsPem: toPem(roots),
  };
}

function newKeyPem(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ format: "pem", type: "pkcs8" });
}

function readKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new AuthorityError("ca-unusable", `Cannot use ${path}: it is not a private key in PEM`, { cause });
  }
}

function importKey(key: KeyObject, path: string): Promise<CryptoKey> {
  const namedCurve = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (key.asymmetricKeyType !== "ec" || namedCurve === undefined) {
    throw new AuthorityError("ca-unusable", `Cannot use ${path}: the key must be ECDSA on P-256 or P-384`);
  }
  const der = key.export({ format: "der", type: "pkcs8" });
  return webcrypto.subtle.importKey("pkcs8", der, { name: "ECDSA", namedCurve }, false, ["sign"]);
}

async function selfSign(key: CryptoKey, keyObject: KeyObject, options: AuthorityFilesOptions): Promise<string> {
  const publicKey = await publicKeyOf(keyObject, key.algorithm as webcrypto.EcKeyImportParams);
  const nowMs = options.clock.nowMs();
  // Two roots of one mesh that are trusted at once need different names.
  const suffix = Buffer.from(webcrypto.getRandomValues(new Uint8Array(4))).toString("hex");
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ O: [options.trustDomain] }, { CN: [`Hawser CA ${suffix}`] }],
    notBefore: new Date(nowMs - timers.backdateMs),
    notAfter: new Date(nowMs + timers.rootLifetimeMs),
    keys: { privateKey: key, publicKey },
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

function publicKeyOf(key: KeyObject, algorithm: webcrypto.EcKeyImportParams): Promise<CryptoKey> {
  const jwk = key.export({ format: "jwk" });
  delete jwk.d;
  return webcrypto.subtle.importKey("jwk", jwk, algorithm, true, ["verify"]);
}

function leadsToRoot(chain: readonly X509Certificate[], roots: readonly X509Certificate[]): boolean {
  return chain.every((certificate, index) => {
    const issuers = [certificate, ...chain.slice(index + 1, index + 2), ...roots];
    return issuers.some((issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
  });
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
}

function parsePem(pem: string): X509Certificate[] {
  return (pem.match(PEM_CERTIFICATE) ?? []).map((text) => new X509Certificate(text));
}

function toPem(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join("");
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
