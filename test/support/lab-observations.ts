/** Observations of a small healthy lab, for tests of what reads them; change a part to make it ill. */
import { readAgentMetrics } from "../../lab/report/agent-metrics.ts";
import type { LabObservation } from "../../lab/report/lab-observation.ts";
import type { LabAgentStatus, LabPodStatus, LabStatus, WireSummary } from "../../lab/lab-status.ts";
import type { ClientStats, DestinationStats, PlacementStats } from "../../lab/shop/client-stats.ts";

export const TAKEN_MS = Date.UTC(2026, 0, 1);

export function pod(uid: string, workload: string, node: string): LabPodStatus {
  const [namespace = "", name = ""] = uid.split("/");
  return { uid, namespace, name, workload, node, ips: ["10.244.1.2"], labels: { app: workload }, state: "ready" };
}

export function agent(node: string, changes: Partial<LabAgentStatus> = {}): LabAgentStatus {
  const running = { node, instance: "1", pid: 40, state: "running", ready: true, upToDate: true } as const;
  return { ...running, rssMb: 80.123, cpuSeconds: 1.5, ...changes };
}

export function placed(placement: PlacementStats["placement"], changes: Partial<PlacementStats> = {}): PlacementStats {
  return { placement, connections: 4, requests: 100, errors: 0, bytes: 50_000, latency: [[160, 100]], ...changes };
}

export function client(uid: string, node: string, service: string, placements: readonly PlacementStats[]): ClientStats {
  const destination: DestinationStats = { service, startupFailures: 2, skipped: 0, retries: 0, placements };
  return { pod: uid, node, updatedMs: TAKEN_MS - 500, destinations: [destination] };
}

export const AGENT_METRICS_TEXT = `# HELP hawser_table_sequence Sequence number of the routing table in force
# TYPE hawser_table_sequence gauge
hawser_table_sequence 12
hawser_channel_connected 1
hawser_connections_opened_total{direction="outbound",source_workload="front-end",source_namespace="shop",destination_service="shop/catalog",destination_workload="catalog",destination_namespace="shop",path="tunnel"} 7
hawser_connections_opened_total{direction="inbound",source_workload="front-end",source_namespace="shop",destination_service="shop/catalog",destination_workload="catalog",destination_namespace="shop",path="tunnel"} 5
hawser_sent_bytes_total{direction="outbound",source_workload="front-end",source_namespace="shop",destination_service="shop/catalog",destination_workload="catalog",destination_namespace="shop",path="tunnel"} 1000
hawser_received_bytes_total{direction="outbound",source_workload="front-end",source_namespace="shop",destination_service="shop/catalog",destination_workload="catalog",destination_namespace="shop",path="tunnel"} 3000
hawser_tunnel_handshakes_total{result="ok",tls_version="TLSv1.3",key_exchange="X25519MLKEM768",resumed="false"} 3
hawser_tunnel_handshakes_total{result="failed",tls_version="",key_exchange="",resumed="false"} 1
hawser_tunnels_open 2
hawser_certificate_expiry_seconds{identity="spiffe://cluster.local/ns/shop/sa/front-end"} ${(TAKEN_MS + 86_000_000) / 1000}
hawser_certificate_expiry_seconds{identity="spiffe://cluster.local/ns/shop/sa/load"} ${(TAKEN_MS + 3_600_000) / 1000}
process_cpu_seconds_total 1.5
`;

export const QUIET_WIRE: WireSummary = {
  packets: 12_345,
  plaintextPackets: 0,
  plaintextSamples: [],
  tlsVersions: ["TLSv1.3"],
  keyExchanges: ["X25519MLKEM768"],
};

export function labStatus(changes: Partial<LabStatus> = {}): LabStatus {
  return {
    name: "default",
    stateDir: "/run/lab",
    mesh: true,
    encryption: "strict",
    phase: "ready",
    detail: "",
    readySeconds: 3.21,
    nodes: ["a", "b"].map((name) => ({ name, addresses: [], podCidrs: [], pausePid: 2, uplink: "eth0" })),
    services: [],
    pods: [
      pod("shop/front-end", "front-end", "a"),
      pod("shop/catalog-1", "catalog", "a"),
      pod("shop/catalog-2", "catalog", "b"),
    ],
    agents: [agent("a"), agent("b", { pid: 41 })],
    ...changes,
  };
}

/** front-end on node a calls catalog on a (direct) and b (tunnel). */
export function observation(changes: Partial<LabObservation> = {}): LabObservation {
  return {
    takenMs: TAKEN_MS,
    status: labStatus(),
    clients: [
      client("shop/front-end", "a", "shop/catalog", [placed("same-node"), placed("cross-node", { requests: 60 })]),
    ],
    agents: [readAgentMetrics("a", AGENT_METRICS_TEXT), readAgentMetrics("b", "")],
    wire: QUIET_WIRE,
    wireError: undefined,
    ...changes,
  };
}
