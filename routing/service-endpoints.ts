/**
 * Which endpoints of a Service take the connections of one node: the one place for it, for the kernel's share
 * (agent/netfilter/service-share.ts) and the agent's candidates (service-candidates.ts) alike. The stages, in order;
 * each leaves the list alone rather than empty where it says "else":
 *
 *   of the address family dialled, with this port  ->  internalTrafficPolicy Local: on this node only
 *   ->  ready, else draining  ->  weight above 0, else all alike  ->  reachable (strict: by tunnel only)
 *   ->  meant for this node or zone by topology hints, else all  ->  by locality: near, else all
 */
import type {
  EndpointEntry,
  Locality,
  ServiceEntry,
  ServicePort,
  WorkloadEntry,
  WorkloadState,
} from "../protocol/table.ts";
import { type AddressFamily, addressFamily, formatHostPort, normalizeAddress } from "./address.ts";
import type { Transport } from "./decide-connection.ts";
import type { TableState } from "./table-state.ts";

/** One address and port behind a port of a Service. */
export interface ServiceEndpoint {
  /** `workload uid:port`; outside the pods, `address:port`. */
  readonly key: string;
  /** Undefined: outside the pods. */
  readonly workload: WorkloadEntry | undefined;
  readonly node: string | undefined;
  readonly zone: string | undefined;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly state: WorkloadState;
  readonly hints: Pick<EndpointEntry, "forZones" | "forNodes">;
}

export interface ChosenEndpoint extends ServiceEndpoint {
  /** Never 0. */
  readonly weight: number;
  readonly transport: Transport;
}

export interface EndpointChoice {
  /** In the order of their keys. Empty: nothing can take a connection, or nothing that may be reached. */
  readonly chosen: readonly ChosenEndpoint[];
  /** All that could take a connection, wherever they are: what kube-proxy chooses among. */
  readonly live: readonly ServiceEndpoint[];
  /** One client address goes to one endpoint: no dice. */
  readonly sticky: boolean;
  /** Requests of some callers are under routes, so all connections are the agent's. */
  readonly routed: boolean;
  /** What led here, in order, for a person. */
  readonly why: readonly string[];
}

export interface PortOfService {
  readonly service: ServiceEntry;
  readonly port: ServicePort;
  readonly family: AddressFamily;
}

/** Not remembered: those who ask remember what they make of it. */
export function chooseEndpoints(table: TableState, node: string, about: PortOfService): EndpointChoice {
  const { service, port, family } = about;
  const why = [`port ${port.port} of Service ${service.key}`];
  const all = endpointsOfPort(table, about);
  if (all.length === 0) why.push(`there is no endpoint of IPv${family}`);
  const here = service.internalTrafficPolicy === "Local" ? all.filter((endpoint) => endpoint.node === node) : all;
  if (here !== all) why.push(`${here.length} of ${all.length} endpoints are on this node, others do not count`);
  const live = liveEndpoints(here, why);
  const reachable = withTransport(table, node, weighted(live));
  const sticky = (service.loadBalancer ?? table.mesh.loadBalancer) === "source-hash";
  const routed = table.isRouted(service.key, port.port);
  const zone = table.node(node)?.zone;
  const hinted = byHints(reachable, node, zone, why);
  const near = byLocality(hinted, service.locality ?? table.mesh.locality, node, zone, why);
  return { chosen: near, live, sticky, routed, why };
}

/** Undefined: there is no way that the mesh's encryption mode allows. */
export function transportTo(table: TableState, node: string, destination: WorkloadEntry): Transport | undefined {
  if (destination.node === node) return "local";
  if (!destination.mesh) return "plain";
  if (table.node(destination.node)?.agent === true) return "tunnel";
  return table.mesh.encryption === "strict" ? undefined : "plain";
}

/** Address and target port of every endpoint of the port, whatever its state. */
export function endpointsOfPort(table: TableState, { service, port, family }: PortOfService): ServiceEndpoint[] {
  const endpoints: ServiceEndpoint[] = [];
  for (const entry of table.endpointsOf(service.key)) {
    const target = entry.ports[port.port];
    if (target === undefined) continue;
    const endpoint = entry.workload === undefined ? outside(table, entry, target) : pod(table, entry, target, family);
    if (endpoint !== undefined && addressFamily(endpoint.address) === family) endpoints.push(endpoint);
  }
  // Changes arrive in any order; neither the choice nor the rules' text must depend on it.
  return endpoints.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function pod(
  table: TableState,
  entry: EndpointEntry & { readonly workload: string },
  port: number,
  family: AddressFamily,
): ServiceEndpoint | undefined {
  const workload = table.workload(entry.workload);
  if (workload === undefined) return undefined;
  const addresses = workload.addresses.map((text) => normalizeAddress(text));
  const address = addresses.find((one) => one !== undefined && addressFamily(one) === family);
  if (address === undefined) return undefined;
  const { uid, node } = workload;
  const { weight, state = workload.state } = entry;
  const zone = table.node(node)?.zone;
  return { key: `${uid}:${port}`, workload, node, zone, address, port, weight, state, hints: entry };
}

function outside(
  table: TableState,
  entry: EndpointEntry & { readonly workload?: undefined },
  port: number,
): ServiceEndpoint | undefined {
  const address = normalizeAddress(entry.address);
  if (address === undefined) return undefined;
  const { weight, node, state = "ready" } = entry;
  const zone = entry.zone ?? (node === undefined ? undefined : table.node(node)?.zone);
  const key = formatHostPort(address, port);
  return { key, workload: undefined, node, zone, address, port, weight, state, hints: entry };
}

/** As kube-proxy does (KEP-1669): when nothing is ready, what is terminating is better than nothing. */
function liveEndpoints(endpoints: readonly ServiceEndpoint[], why: string[]): readonly ServiceEndpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.state === "ready");
  if (ready.length > 0) {
    why.push(`${ready.length} of ${endpoints.length} endpoints are ready`);
    return ready;
  }
  const draining = endpoints.filter((endpoint) => endpoint.state === "draining");
  if (endpoints.length > 0) why.push(`none of ${endpoints.length} endpoints is ready, ${draining.length} are draining`);
  return draining;
}

function weighted(endpoints: readonly ServiceEndpoint[]): readonly ServiceEndpoint[] {
  const weighty = endpoints.filter((endpoint) => endpoint.weight > 0);
  return weighty.length > 0 ? weighty : endpoints.map((endpoint) => ({ ...endpoint, weight: 1 }));
}

function withTransport(table: TableState, node: string, endpoints: readonly ServiceEndpoint[]): ChosenEndpoint[] {
  const reachable: ChosenEndpoint[] = [];
  for (const endpoint of endpoints) {
    const transport = endpoint.workload === undefined ? "plain" : transportTo(table, node, endpoint.workload);
    if (transport !== undefined) reachable.push({ ...endpoint, transport });
  }
  return reachable;
}

/**
 * kube-proxy's rule (pkg/proxy/topology.go): hints count when every endpoint has them and one of them is meant for us;
 * those for nodes before those for zones (KEP-3015).
 */
function byHints(
  endpoints: readonly ChosenEndpoint[],
  node: string,
  zone: string | undefined,
  why: string[],
): readonly ChosenEndpoint[] {
  const meant = (place: string | undefined, list: "forNodes" | "forZones"): readonly ChosenEndpoint[] => {
    if (place === undefined || endpoints.some(({ hints }) => hints[list] === undefined)) return [];
    return endpoints.filter(({ hints }) => hints[list]?.includes(place));
  };
  const forNode = meant(node, "forNodes");
  const forUs = forNode.length > 0 ? forNode : meant(zone, "forZones");
  if (forUs.length === 0) return endpoints;
  why.push(`${forUs.length} of them are meant for this ${forNode.length > 0 ? "node" : "zone"} by topology hints`);
  return forUs;
}

function byLocality(
  endpoints: readonly ChosenEndpoint[],
  locality: Locality,
  node: string,
  zone: string | undefined,
  why: string[],
): readonly ChosenEndpoint[] {
  if (locality === "spread") return endpoints;
  const isNode = locality === "prefer-local";
  const isNear = (one: ChosenEndpoint): boolean =>
    isNode ? one.node === node : zone !== undefined && one.zone === zone;
  const near = endpoints.filter(isNear);
  if (near.length === 0) return endpoints;
  why.push(`${near.length} of them are ${isNode ? "on this node" : `in zone ${zone}`} (${locality})`);
  return near;
}
