/** What view and report want to know from an agent, read from the text of its /metrics. */
import { type MetricSample, parsePrometheusText } from "./prometheus-text.ts";

export interface AgentMetrics {
  readonly node: string;
  readonly tableSequence: number | undefined;
  readonly channelConnected: boolean;
  /** Connections taken from clients of this node. */
  readonly connections: readonly AgentConnections[];
  /** Of successful handshakes, both roles. */
  readonly tlsVersions: readonly string[];
  readonly keyExchanges: readonly string[];
  /** Of all certificates on the node. */
  readonly nearestExpiryMs: number | undefined;
  readonly tunnelsOpen: number;
}

export interface AgentConnections {
  /** `namespace/workload` of the client. */
  readonly from: string;
  /** `namespace/name` of the service, empty when a pod was dialled by its address. */
  readonly to: string;
  /** `tunnel`, `plain` or `local`. */
  readonly path: string;
  readonly opened: number;
  /** Both ways. */
  readonly bytes: number;
}

const PREFIX = "hawser_";
/** Not a version or a group: the handshake did not get that far. */
const NOT_NEGOTIATED: ReadonlySet<string> = new Set(["", "none", "unknown", "other"]);

export function readAgentMetrics(node: string, text: string): AgentMetrics {
  const samples = parsePrometheusText(text, PREFIX);
  const named = (name: string) => samples.filter((sample) => sample.name === PREFIX + name);
  const handshakes = named("tunnel_handshakes_total").filter((sample) => sample.value > 0);
  const expiries = named("certificate_expiry_seconds").map((sample) => sample.value * 1000);
  return {
    node,
    tableSequence: named("table_sequence")[0]?.value,
    channelConnected: named("channel_connected")[0]?.value === 1,
    connections: readConnections(named),
    tlsVersions: negotiated(handshakes, "tls_version"),
    keyExchanges: negotiated(handshakes, "key_exchange"),
    nearestExpiryMs: expiries.length === 0 ? undefined : Math.min(...expiries),
    tunnelsOpen: named("tunnels_open")[0]?.value ?? 0,
  };
}

function readConnections(named: (name: string) => readonly MetricSample[]): readonly AgentConnections[] {
  const flows = new Map<string, AgentConnections>();
  const add = (sample: MetricSample, opened: number, bytes: number) => {
    const {
      direction,
      source_namespace: namespace,
      source_workload: workload,
      destination_service: to = "",
      path = "",
    } = sample.labels;
    if (direction !== "outbound") return;
    const from = `${namespace}/${workload}`;
    const key = `${from} ${to} ${path}`;
    const before = flows.get(key) ?? { from, to, path, opened: 0, bytes: 0 };
    flows.set(key, { ...before, opened: before.opened + opened, bytes: before.bytes + bytes });
  };
  for (const sample of named("connections_opened_total")) add(sample, sample.value, 0);
  for (const name of ["sent_bytes_total", "received_bytes_total"]) {
    for (const sample of named(name)) add(sample, 0, sample.value);
  }
  return [...flows.values()];
}

function negotiated(handshakes: readonly MetricSample[], label: string): readonly string[] {
  const values = new Set(handshakes.map((sample) => sample.labels[label] ?? ""));
  return [...values].filter((value) => !NOT_NEGOTIATED.has(value));
}
