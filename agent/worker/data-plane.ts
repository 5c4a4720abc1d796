/**
 * What inbound and outbound of one data worker share: the table, tunnels out, writes, metrics, and the bounds on
 * connections. One per worker, made by worker-main; no state is shared between workers.
 */
import type { Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { WorkloadEntry } from "../../protocol/table.ts";
import type { TableState } from "../../routing/table-state.ts";
import type { LimitName } from "../limits.ts";
import type { WriteCoalescer } from "../relay/write-coalescer.ts";
import type { DialOptions } from "../sockets/dial.ts";
import type { PodSocket } from "../sockets/pod-socket.ts";
import type { ConnectionPeer } from "../telemetry/connection-log.ts";
import type { WorkerMetrics } from "../telemetry/worker-metrics.ts";
import type { ConnectionRegistry } from "./connection-registry.ts";

export interface DataPlane {
  /** Name of this node. */
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: WorkerMetrics;
  readonly writes: WriteCoalescer;
  readonly connections: ConnectionRegistry;
  /** The agent's own SO_MARK. */
  readonly mark: number;
  readonly dial: (options: DialOptions) => Socket;
  /** The same, for who needs no stream. */
  readonly dialPod: (options: DialOptions) => PodSocket;
  /** Undefined until the first table has come: nothing is forwarded then. */
  readonly table: () => TableState | undefined;
  readonly limitHit: (name: LimitName) => void;
}

/** What a log line says about a pod. */
export function describePeer(
  table: TableState,
  workload: WorkloadEntry | undefined,
  address: string,
  identity?: string,
): ConnectionPeer {
  if (workload === undefined) return { address, identity };
  return {
    address,
    workload: workload.workload,
    namespace: workload.namespace,
    pod: workload.name,
    identity: identity ?? table.identityOf(workload),
  };
}
