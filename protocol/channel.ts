/**
 * Messages between an agent and the controller: one JSON object per WebSocket text frame, subprotocol `hawser.v1`. Large
 * ones come as binary frames, packed, to agents whose hello says that they read this.
 *
 *   agent                          controller
 *   hello{node, have}       ->
 *                           <-     snapshot | delta...   (whatever brings `have` up to date)
 *   applied{sequence}       ->                           (or refused{sequence, problems})
 *   sign{requestId, csr}    ->
 *                           <-     certificate{requestId, ...} | sign-refused{requestId, reason}
 *                           <-     roots{roots, issuer}      (after hello, and whenever they change)
 *   report{...}             ->                           (every few seconds)
 *   quota-report{quotas}    ->                           (after hello, and while requests want of a quota)
 *                           <-     quota-lease{leases}
 *   goodbye{removed}        ->                           (orderly stop)
 *
 * A message of an unknown kind is ignored and counted, so that old and new versions can talk.
 */
import type { TableDelta, TableSnapshot } from "./table.ts";

export const CHANNEL_SUBPROTOCOL = "hawser.v1";
export const CHANNEL_PATH = "/v1/agent";
/** A binary frame is the zstd (RFC 8878) of a message's text. */
export const PACKED_ENCODING = "zstd";

export interface HelloMessage {
  readonly kind: "hello";
  readonly node: string;
  /** The agent's version, for the operator. */
  readonly version: string;
  /** Identifies this process among agents of the same node (two run side by side during an upgrade). */
  readonly instance: string;
  /** The table the agent has in force, from this or an earlier life. */
  readonly have?: { readonly epoch: string; readonly sequence: number };
  /** Of binary frames, e.g. PACKED_ENCODING. Absent: an agent that reads text only. */
  readonly encodings?: readonly string[];
}

export interface AppliedMessage {
  readonly kind: "applied";
  readonly epoch: string;
  readonly sequence: number;
}

export interface RefusedMessage {
  readonly kind: "refused";
  readonly epoch: string;
  readonly sequence: number;
  readonly problems: readonly string[];
}

export interface SignMessage {
  readonly kind: "sign";
  readonly requestId: number;
  /** PKCS#10 in PEM; its only requested name is the SPIFFE URI in a subject alternative name. */
  readonly csr: string;
}

export interface ReportMessage {
  readonly kind: "report";
  /** Interception is in force and certificates are there: other agents may send tunnels to this node. */
  readonly ready: boolean;
  readonly counters: Readonly<Record<string, number>>;
}

/** What an agent has counted of one quota since its last report. */
export interface QuotaUsage {
  readonly name: string;
  /** The time that the counts are of; 0: none are told, only that a lease is in force. */
  readonly overMs: number;
  readonly wanted: number;
  readonly admitted: number;
  /** What it was entitled to and could not keep: others may have it. */
  readonly unused: number;
  /** The lease in force, or the last one; 0: none of this life. */
  readonly lease: number;
  /** What it is entitled to beside its part of the reserve, in requests per `perMs` of the quota. */
  readonly share: number;
  /** No request for a while: it holds nothing any more. */
  readonly idle?: boolean;
}

/** Empty right after hello when it holds nothing: from then on it takes no fair share without asking. */
export interface QuotaReportMessage {
  readonly kind: "quota-report";
  /** Counts up, in the life of the agent. */
  readonly sequence: number;
  readonly quotas: readonly QuotaUsage[];
}

export interface GoodbyeMessage {
  readonly kind: "goodbye";
  /** True: the agent took its rules away and no other agent of the node remains. */
  readonly removed: boolean;
}

export interface PingMessage {
  readonly kind: "ping";
}

export interface SnapshotMessage {
  readonly kind: "snapshot";
  readonly table: TableSnapshot;
}

export interface DeltaMessage {
  readonly kind: "delta";
  readonly delta: TableDelta;
}

export interface CertificateMessage {
  readonly kind: "certificate";
  readonly requestId: number;
  /** PEM: the leaf, then intermediates. */
  readonly chain: string;
  /** PEM: every root to trust (two during a rotation). */
  readonly roots: string;
}

export interface SignRefusedMessage {
  readonly kind: "sign-refused";
  readonly requestId: number;
  readonly reason: string;
}

/** What to trust from now on. A certificate of another issuer than this one is to be renewed soon: its root may go. */
export interface RootsMessage {
  readonly kind: "roots";
  /** PEM: every root to trust. */
  readonly roots: string;
  /** SHA-256 of the certificate (DER) that signs now, in lower-case hex. */
  readonly issuer: string;
}

export interface QuotaLease {
  readonly name: string;
  /** Greater than those before, of whoever leases. */
  readonly id: number;
  /** In requests per `perMs` of the quota. */
  readonly share: number;
  /** Requests that may come once, besides. */
  readonly credit: number;
}

/** Leases by demand. They are in force for `validMs` from the sending of that report: no clock is compared with another. */
export interface QuotaLeaseMessage {
  readonly kind: "quota-lease";
  /** `sequence` of the last report that was read. */
  readonly report: number;
  readonly validMs: number;
  readonly leases: readonly QuotaLease[];
}

export type AgentMessage =
  | HelloMessage
  | AppliedMessage
  | RefusedMessage
  | SignMessage
  | ReportMessage
  | QuotaReportMessage
  | GoodbyeMessage
  | PingMessage;

export type ControllerMessage =
  | SnapshotMessage
  | DeltaMessage
  | CertificateMessage
  | SignRefusedMessage
  | RootsMessage
  | QuotaLeaseMessage
  | PingMessage;
