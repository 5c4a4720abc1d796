/**
 * The one log line that every connection leaves when it closes (or is refused): who spoke to whom, how, how much, how
 * long, and why it ended. Both ends' agents write one; `direction` tells which side this is.
 */
import type { Log, LogFields } from "../../core/log.ts";

/** Seen from this agent: `outbound` took the connection from a local client, `inbound` gives it to a local server. */
export type ConnectionDirection = "outbound" | "inbound";

/** `tunnel`: encrypted to another node. `plain`: in clear, as permissive mode allows. `local`: to a pod of this node. */
export type ConnectionPath = "tunnel" | "plain" | "local";

export interface ConnectionPeer {
  /** `ip:port`. */
  readonly address: string;
  readonly workload?: string | undefined;
  readonly namespace?: string | undefined;
  /** Name of the pod. */
  readonly pod?: string | undefined;
  /** SPIFFE identity; on the far side the one that was proven. */
  readonly identity?: string | undefined;
}

export interface ConnectionRecord {
  readonly direction: ConnectionDirection;
  readonly source: ConnectionPeer;
  /** `service`: `namespace/name` of the dialled Service. `dialled`: what the client dialled, when that is a VIP. */
  readonly destination: ConnectionPeer & {
    readonly service?: string | undefined;
    readonly dialled?: string | undefined;
  };
  /** Undefined when it was refused before a way was chosen, and for HTTP, where each request has its own. */
  readonly path: ConnectionPath | undefined;
  /** HTTP requests that came over it. */
  readonly requests?: number;
  /** From source to destination, whichever side logs it. */
  readonly bytesSent: number;
  /** From destination back to source. */
  readonly bytesReceived: number;
  readonly durationMs: number;
  /** Why it ended: `closed`, or the code of what went wrong. */
  readonly reason: string;
  /** One sentence more for the operator when something went wrong. */
  readonly detail?: string | undefined;
}

/** Ends that applications and orderly shutdowns bring about; everything else is for the operator to look at. */
const ORDINARY_REASONS: ReadonlySet<string> = new Set([
  "closed",
  "reset-by-pod",
  "reset-by-peer",
  "idle-timeout",
  "half-closed-timeout",
  "drain-deadline",
]);

/** One line: `info` when the end was ordinary, `warn` when the connection failed or was refused. */
export function logConnection(log: Log, record: ConnectionRecord): void {
  if (ORDINARY_REASONS.has(record.reason)) log.info(connectionFields(record), "Connection closed");
  else log.warn(connectionFields(record), "Connection failed");
}

function connectionFields(record: ConnectionRecord): LogFields {
  // A tenth of a millisecond is what the event loop can tell apart.
  return { event: "connection", ...record, durationMs: Math.round(record.durationMs * 10) / 10 };
}
