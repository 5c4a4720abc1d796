/**
 * What the agent's main thread and its data workers tell each other. Everything is structured-cloneable and frozen by
 * being copied: a worker never sees a half-changed table.
 */
import type { LogLevel } from "../../core/log.ts";
import type { TableDelta, TableSnapshot } from "../../protocol/table.ts";
import type { EndpointReading } from "../balance/endpoint-reading.ts";
import type { ProtectionReading } from "../http/protect/protection-reading.ts";
import type { WorkerQuotaRate, WorkerQuotaUsage } from "../quota/quota-messages.ts";
import type { LogBatch } from "../telemetry/log-relay.ts";
import type { MetricsBatch } from "../telemetry/metrics-batch.ts";
import type { EngineName } from "../tunnel/engine-name.ts";
import type { TlsCredentials } from "../tunnel/tls-settings.ts";

/** Given once, as workerData. */
export interface WorkerSettings {
  readonly index: number;
  /** How many workers there are: what an agent may let through is divided among them. */
  readonly workers: number;
  readonly node: string;
  readonly logLevel: LogLevel;
  /** SO_MARK of the agent's own sockets. */
  readonly mark: number;
  /**
   * Ports at the agent's address that the rules hand connections to (outbound: the first of OUTBOUND_PORTS); shared with
   * the other workers by SO_REUSEPORT.
   */
  readonly outboundPort: number;
  readonly inboundPort: number;
  /** False where the host has no IPv6. */
  readonly ipv6: boolean;
  readonly engine: EngineName;
  /** 48 bytes for TLS session tickets, the same in all workers. */
  readonly ticketKeys: Uint8Array;
}

/** Finish what is there, within the deadline, and answer `drained`. */
export interface DrainOrder {
  readonly deadlineMs: number;
  /** True when no other agent takes the new connections: they are served to the end. */
  readonly keepListening: boolean;
}

export type ToWorker =
  | { readonly kind: "snapshot"; readonly table: TableSnapshot }
  | { readonly kind: "delta"; readonly delta: TableDelta }
  /** Replaces all credentials. */
  | { readonly kind: "credentials"; readonly credentials: readonly TlsCredentials[] }
  | { readonly kind: "quota-rates"; readonly rates: readonly WorkerQuotaRate[] }
  | ({ readonly kind: "drain" } & DrainOrder)
  /** Answered by `inspected` with the same id. */
  | { readonly kind: "inspect"; readonly id: number; readonly service: string }
  /** Answered by `protection-inspected` with the same id. */
  | { readonly kind: "inspect-protection"; readonly id: number; readonly scopes: readonly string[] };

export type FromWorker =
  | { readonly kind: "listening" }
  | { readonly kind: "metrics"; readonly batch: MetricsBatch }
  | ({ readonly kind: "logs" } & LogBatch)
  | { readonly kind: "quota-usage"; readonly usage: readonly WorkerQuotaUsage[] }
  /** `aborted`: connections that were still there at the deadline. */
  | { readonly kind: "drained"; readonly aborted: number }
  | { readonly kind: "inspected"; readonly id: number; readonly endpoints: readonly EndpointReading[] }
  | { readonly kind: "protection-inspected"; readonly id: number; readonly protection: ProtectionReading };
