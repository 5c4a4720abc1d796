/**
 * Every metric of an agent: name, type, labels and help text. The README of metrics, so to say; operators' dashboards
 * depend on these names.
 */
import { Counter, Gauge, Registry } from "prom-client";
import { MergedHistogram } from "./merged-histogram.ts";
import { CONNECT_SECONDS_BUCKETS, COUNTER_LABELS, REQUEST_SECONDS_BUCKETS } from "./metrics-batch.ts";

export const CONNECTION_LABEL_NAMES = [
  "direction",
  "source_workload",
  "source_namespace",
  "destination_service",
  "destination_workload",
  "destination_namespace",
  "path",
] as const;
export const REQUEST_LABEL_NAMES = [
  "source_workload",
  "source_namespace",
  "destination_service",
  "route",
  "backend",
] as const;
const CONNECTIONS = "direction: outbound = taken from a local client, inbound = given to a local server";
const BYTES = "counted by both ends' agents (see direction)";

export type AgentMetricSet = ReturnType<typeof createMetricSet>;

/** A fresh set in a fresh registry: prom-client's global one would be module-level state. */
export function createMetricSet() {
  const registry = new Registry();
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Counter({ name, help, labelNames: [...labelNames], registers });
  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Gauge({ name, help, labelNames: [...labelNames], registers });

  return {
    registry,

    // Connections. Counters of the data workers, summed up.
    opened: counter("hawser_connections_opened_total", `Connections opened; ${CONNECTIONS}`, CONNECTION_LABEL_NAMES),
    closed: counter("hawser_connections_closed_total", "Connections closed, by reason; closed = in order", [
      ...CONNECTION_LABEL_NAMES,
      "reason",
    ]),
    open: gauge("hawser_open_connections", "Connections open now", CONNECTION_LABEL_NAMES),
    sentBytes: counter("hawser_sent_bytes_total", `Bytes from source to destination, ${BYTES}`, CONNECTION_LABEL_NAMES),
    receivedBytes: counter(
      "hawser_received_bytes_total",
      `Bytes from destination back to source, ${BYTES}`,
      CONNECTION_LABEL_NAMES,
    ),
    connectSeconds: new MergedHistogram({
      name: "hawser_connect_duration_seconds",
      help: "From accepting a connection (or its CONNECT) to the accept of the application",
      upperBounds: CONNECT_SECONDS_BUCKETS,
      registry,
    }),

    // HTTP requests, of Services that have routes.
    requests: counter(
      "hawser_http_requests_total",
      "HTTP requests by class of status and reason; answered = by the backend, anything else by an agent or by nobody",
      [...REQUEST_LABEL_NAMES, "code_class", "reason"],
    ),
    grpcRequests: counter("hawser_http_grpc_requests_total", "gRPC calls by what their client was told, 0 to 16", [
      ...REQUEST_LABEL_NAMES,
      "grpc_status",
    ]),
    requestSeconds: new MergedHistogram({
      name: "hawser_http_request_duration_seconds",
      help: "From a request's head to the end of its answer",
      upperBounds: REQUEST_SECONDS_BUCKETS,
      registry,
    }),
    mirrored: counter(
      "hawser_http_mirrored_total",
      "Copies of requests by backend; slow = dropped because it could not follow, refused = too many under way",
      COUNTER_LABELS.mirrored,
    ),
    hedges: counter(
      "hawser_http_hedges_total",
      "Tries sent beside a late one, and how many of these brought the answer",
      COUNTER_LABELS.hedges,
    ),
    collapsed: counter(
      "hawser_http_collapsed_total",
      "Requests that waited for the answer to an equal one: shared it, went by themselves, or were too slow for it",
      COUNTER_LABELS.collapsed,
    ),
    idleUpstreams: gauge("hawser_http_idle_upstreams", "Connections to endpoints that wait for a request", []),
    upstreamsOpen: gauge("hawser_http_upstreams_open", "Connections to endpoints that requests are carried over", []),
    requestsOpen: gauge("hawser_http_requests_open", "HTTP requests without an end yet", []),

    // What TrafficPolicies do to requests.
    policyRefusals: counter(
      "hawser_http_policy_refusals_total",
      "Requests that a TrafficPolicy did not let through, by reason",
      COUNTER_LABELS.policyRefusals,
    ),
    faults: counter(
      "hawser_http_faults_total",
      "Faults that a TrafficPolicy put into requests: delay, abort or bandwidth",
      COUNTER_LABELS.faults,
    ),
    circuitTransitions: counter(
      "hawser_http_circuit_transitions_total",
      "Times a circuit breaker went over to a state; scope = what its policy is for",
      COUNTER_LABELS.circuitTransitions,
    ),
    circuitState: gauge(
      "hawser_http_circuit_state",
      "0 = closed, 1 = half open, 2 = open; of several data workers the worst",
      ["policy", "scope"],
    ),
    waitingRequests: gauge("hawser_http_waiting_requests", "Requests that wait for a place of a concurrency limit", []),

    // Quotas of the whole mesh.
    quotaRequests: counter(
      "hawser_quota_requests_total",
      "Requests that wanted of a quota of the whole mesh, by outcome: admitted or refused",
      ["quota", "outcome"],
    ),
    quotaShare: gauge(
      "hawser_quota_share",
      "What this agent is entitled to of a quota, in requests per its period, while requests want of it; standing: leased, alone = no controller answers, asking = not answered yet",
      ["quota", "standing"],
    ),

    // Tunnels, dials and what went wrong, by the names of `COUNTER_LABELS`.
    handshakes: counter(
      "hawser_tunnel_handshakes_total",
      "TLS handshakes of tunnels, both roles",
      COUNTER_LABELS.handshakes,
    ),
    dials: counter(
      "hawser_dials_total",
      "Attempts to reach an endpoint, over a tunnel or directly, by outcome",
      COUNTER_LABELS.dials,
    ),
    ejections: counter(
      "hawser_ejections_total",
      "Endpoints ejected, by what spoke against them",
      COUNTER_LABELS.ejections,
    ),
    pauses: counter(
      "hawser_http_endpoint_pauses_total",
      "Times an endpoint was left alone because it asked for it (429 or 503 with Retry-After)",
      COUNTER_LABELS.pauses,
    ),
    retries: counter("hawser_retries_total", "Connections tried again on another endpoint", COUNTER_LABELS.retries),
    refused: counter("hawser_refused_total", "Connections refused on purpose, by reason", COUNTER_LABELS.refused),
    detections: counter(
      "hawser_http_detections_total",
      "Connections to ports with routes whose protocol nobody said, by what was found out",
      COUNTER_LABELS.detections,
    ),
    limitHits: counter("hawser_limit_hits_total", "Times a bound did its work, by its name", COUNTER_LABELS.limitHits),
    tunnelsOpen: gauge("hawser_tunnels_open", "Tunnels open now, both roles", []),
    streamsOpen: gauge(
      "hawser_streams_open",
      "Connections the data workers carry now, those still being connected included",
      [],
    ),
    bufferedBytes: gauge("hawser_buffered_bytes", "Bytes held for readers that do not read", []),

    // What data workers hold: none of it may grow for ever.
    timersOpen: gauge("hawser_worker_timers", "Timers of the data workers that are still to fire", []),
    heapBytes: gauge("hawser_worker_heap_bytes", "Used heap of the data workers", []),
    externalBytes: gauge("hawser_worker_external_bytes", "Memory that the data workers' objects hold outside", []),
    resources: gauge("hawser_worker_resources", "What keeps the data workers' event loops busy, by kind", ["kind"]),

    // Control.
    certificateExpiry: gauge("hawser_certificate_expiry_seconds", "Unix time at which the certificate expires", [
      "identity",
    ]),
    tableSequence: gauge("hawser_table_sequence", "Sequence number of the routing table in force", []),
    ruleRepairs: counter("hawser_rule_repairs_total", "Times netfilter rules were found damaged and repaired", []),
    channelConnected: gauge("hawser_channel_connected", "1 while the controller's channel is open", []),
    controlEvents: counter("hawser_control_events_total", "Events of the agent's control work", ["component", "event"]),
    buildInfo: gauge("hawser_build_info", "Always 1; the version is in the label", ["version"]),
  };
}
