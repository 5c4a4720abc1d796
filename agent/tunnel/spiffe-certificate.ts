/**
 * What a peer's certificate says about who it is (X.509-SVID: exactly one URI SAN, a SPIFFE ID; section 2).
 */
import type { PeerCertificate } from "node:tls";
import { HawserError } from "../../core/errors.ts";
import { parseIdentity } from "../../protocol/identity.ts";

export type PeerIdentityErrorCode = "no-certificate" | "no-spiffe-id" | "unexpected-identity" | "certificate-expired";
export class PeerIdentityError extends HawserError<PeerIdentityErrorCode> {}

/** The SPIFFE ID in the certificate, as text. */
export function identityOfCertificate(certificate: PeerCertificate | undefined): string {
  if (certificate?.raw === undefined) throw new PeerIdentityError("no-certificate", "Peer presented no certificate");
  const names = certificate.subjectaltname ?? "";
  // Node quotes a name that holds a separator: such a name is not a SPIFFE ID, and could only be there to fool a parser.
  const uris = names.includes('"') ? [] : names.split(", ").filter((name) => name.startsWith("URI:"));
  const [uri] = uris;
  const identity = uri?.slice("URI:".length);
  if (identity === undefined || uris.length !== 1 || parseIdentity(identity) === undefined) {
    throw new PeerIdentityError(
      "no-spiffe-id",
      `Certificate of the peer must have exactly one SPIFFE URI, it has "${names}"`,
    );
  }
  return identity;
}

/** Refuses a certificate outside its validity: needed for resumed sessions, whose chain is not verified again. */
export function checkValidity(certificate: PeerCertificate, nowMs: number): void {
  const fromMs = Date.parse(certificate.valid_from);
  const toMs = Date.parse(certificate.valid_to);
  if (nowMs >= fromMs && nowMs <= toMs) return;
  throw new PeerIdentityError(
    "certificate-expired",
    `Certificate of ${certificate.subjectaltname ?? "the peer"} is valid from ${new Date(fromMs).toISOString()} to ` +
      `${new Date(toMs).toISOString()}, this node's time is ${new Date(nowMs).toISOString()}; check both clocks`,
  );
}

/** For tls.connect's `checkServerIdentity`: the error, or undefined when the certificate is that of `expected`. */
export function verifyServerIdentity(certificate: PeerCertificate, expected: string, nowMs: number): Error | undefined {
  try {
    const identity = identityOfCertificate(certificate);
    checkValidity(certificate, nowMs);
    if (identity === expected) return undefined;
    return new PeerIdentityError("unexpected-identity", `Peer proves ${identity}, the table says ${expected}`);
  } catch (error) {
    return error as Error;
  }
}
