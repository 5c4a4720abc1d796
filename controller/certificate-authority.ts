/**
 * Signs certificates: workload identities for agents, and the controller's own server certificate.
 *
 * What is in a certificate is decided here, never copied from a request: only the public key and the checked identity go
 * in. Profile: ECDSA, 16 random bytes of serial, empty subject and therefore a critical subject alternative name
 * (RFC 5280 4.2.1.6), one SPIFFE URI (X.509-SVID section 4), digitalSignature, both EKUs since a workload is client and
 * server. Holds the CA key: nothing but `certificate-signer.ts` and the server certificate get at this object.
 */
import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";
import type { Clock } from "../core/clock.ts";
import type { AuthorityMaterial } from "./authority-material.ts";
import { timers } from "./limits.ts";

export interface IssuedCertificate {
  /** PEM: the leaf, then intermediates. */
  readonly chainPem: string;
  readonly serialNumber: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Of a request, or of a key pair of our own. */
export type SubjectKey = x509.PublicKey | webcrypto.CryptoKey;

interface LeafProfile {
  readonly publicKey: SubjectKey;
  readonly names: x509.JsonGeneralNames;
  readonly usages: x509.ExtendedKeyUsage[];
  readonly lifetimeMs: number;
}

export class CertificateAuthority {
  #material: AuthorityMaterial;
  readonly #clock: Clock;

  constructor(material: AuthorityMaterial, clock: Clock) {
    this.#material = material;
    this.#clock = clock;
  }

  /** What is issued from now on is signed with it. */
  use(material: AuthorityMaterial): void {
    this.#material = material;
  }

  /** SHA-256 of the certificate that signs, in lower-case hex. */
  get issuer(): string {
    return this.#material.issuer;
  }

  /** PEM of every root to trust. */
  get rootsPem(): string {
    return this.#material.rootsPem;
  }

  /** Secret; see AuthorityMaterial. */
  get replicaToken(): string {
    return this.#material.replicaToken;
  }

  get notAfterMs(): number {
    return this.#material.certificate.notAfter.getTime();
  }

  issueWorkload(identity: string, publicKey: SubjectKey, lifetimeMs: number): Promise<IssuedCertificate> {
    const usages = [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth];
    return this.#issue({ publicKey, names: [{ type: "url", value: identity }], usages, lifetimeMs });
  }

  /** `names`: DNS names and IP addresses under which agents dial the controller. */
  issueServer(names: readonly string[], publicKey: SubjectKey, lifetimeMs: number): Promise<IssuedCertificate> {
    const general = names.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value }));
    return this.#issue({ publicKey, names: general, usages: [x509.ExtendedKeyUsage.serverAuth], lifetimeMs });
  }

  async #issue(profile: LeafProfile): Promise<IssuedCertificate> {
    const { certificate: authority, key, intermediatesPem } = this.#material;
    const nowMs = this.#clock.nowMs();
    const backdateMs = Math.min(timers.backdateMs, profile.lifetimeMs / 10);
    const leaf = await x509.X509CertificateGenerator.create({
      issuer: authority.subjectName,
      notBefore: new Date(nowMs - backdateMs),
      notAfter: new Date(Math.min(nowMs + profile.lifetimeMs, authority.notAfter.getTime())),
      publicKey: profile.publicKey,
      signingKey: key,
      signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(profile.usages),
        new x509.SubjectAlternativeNameExtension(profile.names, true),
        await x509.SubjectKeyIdentifierExtension.create(profile.publicKey),
        await authorityKeyIdentifier(authority),
      ],
    });
    const { serialNumber, notBefore, notAfter } = leaf;
    return { chainPem: `${leaf.toString("pem")}\n${intermediatesPem}`, serialNumber, notBefore, notAfter };
  }
}

/** Must be what the authority's own certificate says (RFC 5280 4.2.1.1), which for a foreign one need not be a SHA-1. */
async function authorityKeyIdentifier(authority: x509.X509Certificate): Promise<x509.AuthorityKeyIdentifierExtension> {
  const subject = authority.getExtension(x509.SubjectKeyIdentifierExtension);
  if (subject !== null) return new x509.AuthorityKeyIdentifierExtension(subject.keyId);
  return x509.AuthorityKeyIdentifierExtension.create(authority.publicKey);
}
