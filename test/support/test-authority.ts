/** A certificate authority for tests: CAs, and leaves that may break every rule a real one keeps. */
import "reflect-metadata";
import { createPublicKey, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import type { TlsCredentials } from "../../agent/tunnel/tls-settings.ts";

type KeyPair = webcrypto.CryptoKeyPair;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const HOUR_MS = 3_600_000;

export interface LeafOptions {
  /** Default: an hour ago. */
  readonly notBeforeMs?: number;
  /** Default: in an hour. */
  readonly notAfterMs?: number;
  /** URI names; default: the identity alone. */
  readonly uris?: readonly string[];
  /** DNS names beside them. */
  readonly dnsNames?: readonly string[];
}

export class TestAuthority {
  readonly rootPem: string;
  readonly #root: x509.X509Certificate;
  readonly #keys: KeyPair;

  private constructor(root: x509.X509Certificate, keys: KeyPair) {
    this.#root = root;
    this.#keys = keys;
    this.rootPem = root.toString("pem");
  }

  static async create(name = "Test root"): Promise<TestAuthority> {
    const keys = await generateKeys();
    const root = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - 24 * HOUR_MS),
      notAfter: new Date(Date.now() + 24 * HOUR_MS),
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    });
    return new TestAuthority(root, keys);
  }

  /** PEM of an intermediate authority's certificate for this private key. */
  async issueAuthority(keyPem: string, name: string): Promise<string> {
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${name}`,
      issuer: this.#root.subject,
      notBefore: new Date(Date.now() - HOUR_MS),
      notAfter: new Date(Date.now() + HOUR_MS),
      publicKey: await publicKeyOf(keyPem),
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    });
    return certificate.toString("pem");
  }

  /** `identity`: a SPIFFE ID, with both extended key usages as an agent has them. */
  async issue(identity: string, options: LeafOptions = {}): Promise<TlsCredentials> {
    const keys = await generateKeys();
    const names = [
      ...(options.uris ?? [identity]).map((value) => ({ type: "url" as const, value })),
      ...(options.dnsNames ?? []).map((value) => ({ type: "dns" as const, value })),
    ];
    const leaf = await x509.X509CertificateGenerator.create({
      subject: "CN=leaf",
      issuer: this.#root.subject,
      notBefore: new Date(options.notBeforeMs ?? Date.now() - HOUR_MS),
      notAfter: new Date(options.notAfterMs ?? Date.now() + HOUR_MS),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
      ],
    });
    return { identity, keyPem: await privateKeyPem(keys), chainPem: leaf.toString("pem"), rootsPem: this.rootPem };
  }
}

function publicKeyOf(keyPem: string): Promise<webcrypto.CryptoKey> {
  const spki = createPublicKey(keyPem).export({ format: "der", type: "spki" });
  return webcrypto.subtle.importKey("spki", spki, ALGORITHM, true, ["verify"]);
}

function generateKeys(): Promise<KeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

async function privateKeyPem(keys: KeyPair): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return x509.PemConverter.encode(der, "PRIVATE KEY");
}
