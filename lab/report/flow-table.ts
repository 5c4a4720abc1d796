/**
 * The traffic of a lab as rows of (client workload, service, path), put together from what the clients measured and
 * what the agents counted (pure).
 *
 * - An answer from the client's own node is `direct`.
 * - One from another node is `tunnel` when agents have counted tunnelled connections of that client to that service,
 *   else it went `direct` too: without a mesh, or past it.
 * - Servers that do not say where they are (nginx, Redis, MariaDB) and failures are placed by where the service's pods
 *   run; when they run on both sides, on the other: what crosses nodes is what is on trial.
 */
import type { LabPodStatus } from "../lab-status.ts";
import type { ClientStats, PlacementStats } from "../shop/client-stats.ts";
import { addCounts, type LatencyCounts } from "../shop/latency-histogram.ts";
import type { AgentMetrics } from "./agent-metrics.ts";
import type { LabObservation } from "./lab-observation.ts";

export interface FlowRow {
  /** `namespace/workload`. */
  readonly from: string;
  /** `namespace/name` of the service. */
  readonly to: string;
  readonly path: "direct" | "tunnel";
  readonly crossNode: boolean;
  readonly connections: number;
  readonly requests: number;
  readonly errors: number;
  readonly bytes: number;
  readonly latency: LatencyCounts;
  readonly lastError: string | undefined;
}

type Sides = Pick<LabObservation, "clients" | "agents"> & { readonly status: Pick<LabObservation["status"], "pods"> };

export function flowTable(observation: Sides): readonly FlowRow[] {
  const rows = new Map<string, FlowRow>();
  for (const client of observation.clients) {
    for (const destination of client.destinations) {
      const flow = {
        from: workloadOf(client, observation.status.pods),
        to: destination.service,
        lastError: destination.lastError,
      };
      for (const stats of destination.placements) {
        const row = newRow(
          flow,
          stats,
          isCrossNode(client, flow.to, stats, observation.status.pods),
          observation.agents,
        );
        const key = `${row.from} ${row.to} ${row.crossNode}`;
        rows.set(key, addRow(rows.get(key), row));
      }
    }
  }
  return [...rows.values()].sort((a, b) => rowOrder(a).localeCompare(rowOrder(b)));
}

/** Tunnelled connections that agents have counted for the pair. */
export function tunnelledConnections(agents: readonly AgentMetrics[], from: string, to: string): number {
  const flows = agents.flatMap((agent) => agent.connections);
  const ofPair = flows.filter((flow) => flow.path === "tunnel" && flow.from === from && flow.to === to);
  return ofPair.reduce((sum, flow) => sum + flow.opened, 0);
}

function newRow(
  flow: Pick<FlowRow, "from" | "to" | "lastError">,
  stats: PlacementStats,
  crossNode: boolean,
  agents: readonly AgentMetrics[],
): FlowRow {
  const tunnelled = crossNode && tunnelledConnections(agents, flow.from, flow.to) > 0;
  const { connections, requests, errors, bytes, latency } = stats;
  return { ...flow, path: tunnelled ? "tunnel" : "direct", crossNode, connections, requests, errors, bytes, latency };
}

function addRow(sum: FlowRow | undefined, row: FlowRow): FlowRow {
  if (sum === undefined) return row;
  return {
    ...sum,
    connections: sum.connections + row.connections,
    requests: sum.requests + row.requests,
    errors: sum.errors + row.errors,
    bytes: sum.bytes + row.bytes,
    latency: addCounts([sum.latency, row.latency]),
    lastError: row.lastError ?? sum.lastError,
  };
}

function workloadOf(client: ClientStats, pods: readonly LabPodStatus[]): string {
  const pod = pods.find((one) => one.uid === client.pod);
  return pod === undefined ? client.pod : `${pod.namespace}/${pod.workload}`;
}

/** In a cluster file of the lab, a Service selects the workload that it is named after. */
function isCrossNode(
  client: ClientStats,
  service: string,
  stats: PlacementStats,
  pods: readonly LabPodStatus[],
): boolean {
  if (stats.placement !== "unknown") return stats.placement === "cross-node";
  const servers = pods.filter((pod) => `${pod.namespace}/${pod.workload}` === service);
  return servers.length === 0 || servers.some((pod) => pod.node !== client.node);
}

function rowOrder(row: FlowRow): string {
  return `${row.from} ${row.to} ${row.path}`;
}
