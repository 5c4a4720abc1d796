/**
 * What `/config_dump` shows: the table in force, the certificates without their keys, the boot settings, and how the
 * rules stand. Takes narrow types on purpose, so that a key cannot come along.
 */
import { X509Certificate } from "node:crypto";
import { describeError } from "../../core/errors.ts";
import type { TableSnapshot } from "../../protocol/table.ts";
import type { QuotaState } from "../quota/agent-quotas.ts";

/** A certificate bundle without its key. */
export interface PublicCertificate {
  readonly identity: string;
  /** PEM: the leaf, then intermediates. */
  readonly chainPem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface ConfigDumpParts {
  readonly version: string;
  readonly node: string;
  readonly instance: string;
  /** Boot settings by name. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly table: TableSnapshot | undefined;
  readonly certificates: Iterable<PublicCertificate>;
  /** Those that requests want of now. */
  readonly quotas: readonly QuotaState[];
  /** Back end of netfilter, ports, owner and the like. */
  readonly interception: Readonly<Record<string, unknown>>;
}

export function configDump(parts: ConfigDumpParts): Readonly<Record<string, unknown>> {
  const { version, node, instance, settings, interception, quotas, table } = parts;
  return {
    version,
    node,
    instance,
    settings,
    interception,
    quotas,
    certificates: [...parts.certificates].map(describeCertificate),
    table: table ?? null,
  };
}

function describeCertificate(certificate: PublicCertificate): Readonly<Record<string, unknown>> {
  return {
    identity: certificate.identity,
    notBefore: new Date(certificate.notBeforeMs).toISOString(),
    notAfter: new Date(certificate.notAfterMs).toISOString(),
    ...describeLeaf(certificate.chainPem),
  };
}

function describeLeaf(chainPem: string): Readonly<Record<string, unknown>> {
  try {
    const leaf = new X509Certificate(chainPem);
    return { serialNumber: leaf.serialNumber, issuer: leaf.issuer, fingerprint256: leaf.fingerprint256 };
  } catch (error) {
    return { problem: `Cannot read the certificate: ${describeError(error)}` };
  }
}
