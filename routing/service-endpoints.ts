/**
 * Which endpoints of a Service take the connections of one node: the one place for it, for the kernel's share
 * (agent/netfilter/service-share.ts) and the agent's candidates (service-candidates.ts) alike. The stages, in order;
 * each leaves the list alone rather than empty where it says "else":
 *
 *   of the address family dialled, with this port, of the subset  ->  internalTrafficPolicy Local: on this node only
 *   ->  ready, else draining  ->  weight above 0, else all alike  ->  reachable (strict: by tunnel only)
 *   ->  meant for this node or zone by topology hints, else all  ->  by locality: near, else all
 *
 * With spill-over, those that are not near are told too: whoever balances gives them what the near ones cannot take.
 */
import type { RouteSubset } from "../protocol/route-table.ts";
import type {
  EndpointEntry,
  LoadBalancerAlgorithm,
  Locality,
  ServiceEntry,
  ServicePort,
  WorkloadEntry,
  WorkloadState,
} from "../protocol/table.ts";
import { type AddressFamily, addressFamily, formatHostPort, normalizeAddress } from "./address.ts";
import type { SpillOver } from "./choice-settings.ts";
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
  /** With spill-over, when some are near and others are not: those others. */
  readonly beyond?: { readonly far: readonly ChosenEndpoint[]; readonly spillOver: SpillOver };
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
  /** Absent: all endpoints of the Service. */
  readonly subset?: RouteSubset;
}

/** Not remembered: those who ask remember what they make of it. */
export function chooseEndpoints(table: TableState, node: string, about: PortOfService): EndpointChoice {
  const { service, port, family, subset } = about;
  const why = [`port ${port.port} of Service ${service.key}`];
  if (subset !== undefined) why.push(`subset ${subset.name}`);
  const all = endpointsOfPort(table, about);
  if (all.length === 0) why.push(`there is no endpoint of IPv${family}`);
  const here = service.internalTrafficPolicy === "Local" ? all.filter((endpoint) => endpoint.node === node) : all;
  if (here !== all) why.push(`${here.length} of ${all.length} endpoints are on this node, others do not count`);
  const live = liveEndpoints(here, why);
  const reachable = withTransport(table, node, weighted(live));
  const sticky = isSticky(service.loadBalancer ?? table.mesh.loadBalancer);
  const routed = table.isRouted(service.key, port.port);
  const zone = table.node(node)?.zone;
  const hinted = byHints(reachable, node, zone, why);
  const isNear = nearnessOf(service.locality ?? table.mesh.locality, node, zone);
  const chosen = byLocality(hinted, isNear, why);
  const beyond = beyondNear(service, hinted, chosen, here, isNear, why);
  return { chosen, ...(beyond === undefined ? {} : { beyond }), live, sticky, routed, why };
}

/** Of connections, a hash can only be one of their source. */
function isSticky(algorithm: LoadBalancerAlgorithm): boolean {
  return algorithm === "source-hash" || algorithm === "hash";
}

/** Undefined: there is no way that the mesh's encryption mode allows. */
export function transportTo(table: TableState, node: string, destination: WorkloadEntry): Transport | undefined {
  if (destination.node === node) return "local";
  if (!destination.mesh) return "plain";
  if (table.node(destination.node)?.agent === true) return "tunnel";
  return table.mesh.encryption === "strict" ? undefined : "plain";
}

/** Address and target port of every endpoint of the port, whatever its state. */
export function endpointsOfPort(
  table: TableState,
  { service, port, family, subset }: PortOfService,
): ServiceEndpoint[] {
  const endpoints: ServiceEndpoint[] = [];
  for (const entry of table.endpointsOf(service.key)) {
    const target = entry.ports[port.port];
    if (target === undefined) continue;
    const endpoint = entry.workload === undefined ? outside(table, entry, target) : pod(table, entry, target, family);
    if (endpoint === undefined || addressFamily(endpoint.address) !== family) continue;
    if (subset === undefined || isIn(subset, endpoint.workload)) endpoints.push(endpoint);
  }
  // Changes arrive in any order; neither the choice nor the rules' text must depend on it.
  return endpoints.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function isIn({ labels }: RouteSubset, workload: WorkloadEntry | undefined): boolean {
  return workload !== undefined && Object.entries(labels).every(([name, value]) => workload.labels[name] === value);
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

/** What the locality makes near, in words too. Undefined: nothing is nearer than the rest. */
interface Nearness {
  readonly where: string;
  isNear(endpoint: ServiceEndpoint): boolean;
}

function nearnessOf(locality: Locality, node: string, zone: string | undefined): Nearness | undefined {
  if (locality === "prefer-local") return { where: `on this node (${locality})`, isNear: (one) => one.node === node };
  if (locality === "spread" || zone === undefined) return undefined;
  return { where: `in zone ${zone} (${locality})`, isNear: (one) => one.zone === zone };
}

function byLocality(
  endpoints: readonly ChosenEndpoint[],
  nearness: Nearness | undefined,
  why: string[],
): readonly ChosenEndpoint[] {
  const near = nearness === undefined ? [] : endpoints.filter((endpoint) => nearness.isNear(endpoint));
  if (nearness === undefined || near.length === 0) return endpoints;
  why.push(`${near.length} of them are ${nearness.where}`);
  return near;
}

/** `all`: whatever their state. Those on their way out are missing from nothing: that is how a Service gets smaller. */
function beyondNear(
  { spillOver }: ServiceEntry,
  reachable: readonly ChosenEndpoint[],
  near: readonly ChosenEndpoint[],
  all: readonly ServiceEndpoint[],
  nearness: Nearness | undefined,
  why: string[],
): EndpointChoice["beyond"] {
  if (spillOver === undefined || nearness === undefined || near.length === reachable.length) return undefined;
  const far = reachable.filter((endpoint) => !near.includes(endpoint));
  const unready = all.filter((endpoint) => endpoint.state === "unready" && nearness.isNear(endpoint));
  const nearWeight = sumOfWeights(near) + sumOfWeights(unready);
  const { minHealthyPercent } = spillOver;
  const share = `${Math.round((100 * sumOfWeights(near)) / nearWeight)} %`;
  why.push(`${share} of the near ones are ready; below ${minHealthyPercent} %, ${far.length} others take a part`);
  return { far, spillOver: { minHealthyPercent, nearWeight } };
}

function sumOfWeights(endpoints: readonly ServiceEndpoint[]): number {
  return endpoints.reduce((sum, { weight }) => sum + weight, 0);
}
