/**
 * Which endpoints of a Service may take a new connection that the agent of one node holds. The stages, in order; each
 * leaves the list alone rather than empty where it says "else":
 *
 *   of the address family dialled, with this port  ->  ready, else draining  ->  weight above 0, else all alike
 *   ->  reachable (strict: by tunnel only)  ->  on other nodes, else on this one
 *
 * The last one because the kernel has taken this node's share before a connection comes to the agent.
 */
import type { EndpointEntry, ServiceEntry, ServicePort, WorkloadEntry } from "../protocol/table.ts";
import { type AddressFamily, addressFamily, normalizeAddress } from "./address.ts";
import type { Candidate, RefusalCode, Transport } from "./decide-connection.ts";
import type { TableState } from "./table-state.ts";

export type ServiceCandidates =
  | { readonly candidates: readonly Candidate[]; readonly why: readonly string[]; readonly refusal?: undefined }
  | { readonly refusal: { readonly code: RefusalCode; readonly reason: string } };

/** One pod behind the port, with what was found out about it. */
interface Endpoint {
  readonly workload: WorkloadEntry;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
}

/** Remembered in the table until the Service, one of its pods, a node or the mesh settings change. */
export function serviceCandidates(
  table: TableState,
  node: string,
  service: ServiceEntry,
  servicePort: ServicePort,
  family: AddressFamily,
): ServiceCandidates {
  return table.derive(service.key, `candidates ${servicePort.port} ${family} ${node}`, () =>
    computeCandidates(table, node, service, servicePort, family),
  );
}

/** Undefined: there is no way that the mesh's encryption mode allows. */
export function transportTo(table: TableState, node: string, destination: WorkloadEntry): Transport | undefined {
  if (destination.node === node) return "local";
  if (!destination.mesh) return "plain";
  if (table.node(destination.node)?.agent === true) return "tunnel";
  return table.mesh.encryption === "strict" ? undefined : "plain";
}

function computeCandidates(
  table: TableState,
  node: string,
  service: ServiceEntry,
  servicePort: ServicePort,
  family: AddressFamily,
): ServiceCandidates {
  const name = `port ${servicePort.port} of Service ${service.key}`;
  const endpoints = endpointsOfPort(table, service, servicePort, family);
  const { live, why: liveWhy } = liveEndpoints(endpoints);
  if (live.length === 0) {
    const reason = `No endpoint of IPv${family} can take a connection for ${name}: ${describeStates(endpoints)}`;
    return { refusal: { code: "no-endpoints", reason } };
  }
  const candidates = toCandidates(table, node, weighted(live));
  const remote = candidates.filter((candidate) => candidate.transport !== "local");
  const chosen = remote.length > 0 ? remote : candidates;
  if (chosen.length === 0) {
    const nodes = [...new Set(live.map((endpoint) => endpoint.workload.node))].join(", ");
    const reason = `No agent serves any node (${nodes}) of ${name}, and encryption is strict`;
    return { refusal: { code: "no-agent", reason } };
  }
  const where = remote.length > 0 ? "on other nodes" : "on this node, no other node has one";
  return { candidates: chosen, why: [name, liveWhy, `${chosen.length} to choose from ${where}`] };
}

function endpointsOfPort(
  table: TableState,
  service: ServiceEntry,
  servicePort: ServicePort,
  family: AddressFamily,
): Endpoint[] {
  const endpoints: Endpoint[] = [];
  for (const entry of table.endpointsOf(service.key)) {
    const endpoint = endpointOfPort(table, entry, servicePort, family);
    if (endpoint !== undefined) endpoints.push(endpoint);
  }
  // Changes arrive in any order; the choice must not depend on it.
  return endpoints.sort((a, b) => (a.workload.uid < b.workload.uid ? -1 : 1));
}

function endpointOfPort(
  table: TableState,
  entry: EndpointEntry,
  servicePort: ServicePort,
  family: AddressFamily,
): Endpoint | undefined {
  const workload = table.workload(entry.workload);
  const port = entry.ports[servicePort.port];
  if (workload === undefined || port === undefined) return undefined;
  for (const text of workload.addresses) {
    const address = normalizeAddress(text);
    if (address !== undefined && addressFamily(address) === family) {
      return { workload, address, port, weight: entry.weight };
    }
  }
  return undefined;
}

/** As kube-proxy does (KEP-1669): when nothing is ready, what is terminating is better than nothing. */
function liveEndpoints(endpoints: readonly Endpoint[]): { readonly live: readonly Endpoint[]; readonly why: string } {
  const ready = endpoints.filter((endpoint) => endpoint.workload.state === "ready");
  if (ready.length > 0) return { live: ready, why: `${ready.length} of ${endpoints.length} endpoints are ready` };
  const draining = endpoints.filter((endpoint) => endpoint.workload.state === "draining");
  return { live: draining, why: `no endpoint is ready, ${draining.length} are draining` };
}

function weighted(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const weighty = endpoints.filter((endpoint) => endpoint.weight > 0);
  return weighty.length > 0 ? weighty : endpoints.map((endpoint) => ({ ...endpoint, weight: 1 }));
}

function toCandidates(table: TableState, node: string, endpoints: readonly Endpoint[]): Candidate[] {
  const candidates: Candidate[] = [];
  for (const { workload, address, port, weight } of endpoints) {
    const transport = transportTo(table, node, workload);
    if (transport === undefined) continue;
    candidates.push({ key: `${workload.uid}:${port}`, workload, address, port, weight, transport });
  }
  return candidates;
}

function describeStates(endpoints: readonly Endpoint[]): string {
  if (endpoints.length === 0) return "there is none";
  return `${endpoints.length} not ready`;
}
