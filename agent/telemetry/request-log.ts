/**
 * The line that every HTTP request leaves: who asked whom for what, by which rule, and what came of it. Requests come by
 * the thousand where connections come by the dozen, so what a backend has answered is told at level `debug` only.
 */
import type { Log, LogFields } from "../../core/log.ts";
import type { ConnectionPeer } from "./connection-log.ts";

export interface RequestRecord {
  readonly source: ConnectionPeer;
  /** Key of the Service that was dialled, and its port. */
  readonly service: string;
  readonly port: number;
  readonly method: string;
  /** Without the query, which may hold secrets. */
  readonly path: string;
  /** `namespace/name` of the route's document, and of its rule the name or position. */
  readonly route: string | undefined;
  /** Key of the backend's Service. */
  readonly backend: string | undefined;
  /** `ip:port` that was tried last. */
  readonly endpoint: string | undefined;
  readonly tries: number;
  /** What the client was told; undefined when nothing. Of an answer of ours to a gRPC client: what it would have been. */
  readonly status: number | undefined;
  /** The same in gRPC; undefined for what is no gRPC call. */
  readonly grpcStatus?: number | undefined;
  /** `answered`, or the code of who else ended it and why. */
  readonly reason: string;
  readonly detail: string | undefined;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly durationMs: number;
}

const FIRST_SERVER_ERROR = 500;
/** Ends that are neither the mesh's nor an operator's concern. */
const ORDINARY: ReadonlySet<string> = new Set(["answered", "upgraded", "redirect", "cors-preflight"]);

/** Whether a request that ended so leaves a line in this log. */
export function isRequestLogged(log: Log, reason: string): boolean {
  return log.keepsDebug || !ORDINARY.has(reason);
}

/** `debug` for what was answered; else `warn` when it is the mesh or the backend that failed, and `info` for clients. */
export function logRequest(log: Log, record: RequestRecord): void {
  if (ORDINARY.has(record.reason)) log.debug(requestFields(record), "Request");
  else if (record.status === undefined || record.status >= FIRST_SERVER_ERROR) {
    if (record.reason === "client-gone") log.info(requestFields(record), "Client left");
    else log.warn(requestFields(record), "Request failed");
  } else if (record.reason === "fallback") log.info(requestFields(record), "Request answered by its fallback");
  else log.info(requestFields(record), "Request refused");
}

function requestFields(record: RequestRecord): LogFields {
  return { event: "request", ...record, durationMs: Math.round(record.durationMs * 10) / 10 };
}
