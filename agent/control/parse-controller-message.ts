/**
 * Text of one WebSocket frame -> a message of the controller, checked. The controller is trusted to decide, not to be
 * free of bugs: a message that is not of the agreed shape changes nothing.
 */
import { HawserError } from "../../core/errors.ts";
import type {
  CertificateMessage,
  ControllerMessage,
  QuotaLease,
  QuotaLeaseMessage,
  RootsMessage,
  SignRefusedMessage,
} from "../../protocol/channel.ts";
import { parseDelta, parseSnapshot } from "../../routing/validate-messages.ts";

export class InvalidMessageError extends HawserError<"invalid-message"> {}

/** Undefined: a kind that this version does not know. Throws when the message is not what its kind promises. */
export function parseControllerMessage(text: string): ControllerMessage | undefined {
  const fields = parseObject(text);
  switch (fields["kind"]) {
    case "snapshot":
      return { kind: "snapshot", table: parseSnapshot(fields["table"]) };
    case "delta":
      return { kind: "delta", delta: parseDelta(fields["delta"]) };
    case "certificate":
      return certificate(fields);
    case "sign-refused":
      return signRefused(fields);
    case "roots":
      return rootsMessage(fields);
    case "quota-lease":
      return quotaLease(fields);
    case "ping":
      return { kind: "ping" };
    default:
      return undefined;
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InvalidMessageError("invalid-message", "Message is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidMessageError("invalid-message", "Message is not an object");
  }
  return value as Record<string, unknown>;
}

function certificate(fields: Readonly<Record<string, unknown>>): CertificateMessage {
  const { requestId, chain, roots } = fields;
  if (typeof requestId !== "number" || typeof chain !== "string" || typeof roots !== "string") {
    throw new InvalidMessageError("invalid-message", "Message certificate lacks requestId, chain or roots");
  }
  return { kind: "certificate", requestId, chain, roots };
}

function signRefused(fields: Readonly<Record<string, unknown>>): SignRefusedMessage {
  const { requestId, reason } = fields;
  if (typeof requestId !== "number" || typeof reason !== "string") {
    throw new InvalidMessageError("invalid-message", "Message sign-refused lacks requestId or reason");
  }
  return { kind: "sign-refused", requestId, reason };
}

function rootsMessage(fields: Readonly<Record<string, unknown>>): RootsMessage {
  const { roots, issuer } = fields;
  if (typeof roots !== "string" || typeof issuer !== "string") {
    throw new InvalidMessageError("invalid-message", "Message roots lacks roots or issuer");
  }
  return { kind: "roots", roots, issuer };
}

function quotaLease({ report, validMs, leases }: Readonly<Record<string, unknown>>): QuotaLeaseMessage {
  if (!isAmount(report) || !isAmount(validMs) || !Array.isArray(leases) || !leases.every(isLease)) {
    throw new InvalidMessageError("invalid-message", "Message quota-lease lacks report, validMs or usable leases");
  }
  return { kind: "quota-lease", report, validMs, leases };
}

function isLease(value: unknown): value is QuotaLease {
  if (typeof value !== "object" || value === null) return false;
  const { name, id, share, credit } = value as Record<string, unknown>;
  return typeof name === "string" && isAmount(id) && isAmount(share) && isAmount(credit);
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}
