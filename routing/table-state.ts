/**
 * The routing table in memory, with the indices that every connection needs, for agents (main thread and data workers),
 * the controller and the CLI.
 *
 * Invariants: indices change by the difference that a delta carries, never by a rebuild; every lookup is O(1);
 * `apply` checks the whole delta before it changes anything, so a refused delta leaves the table as it was.
 */
import type { RouteEntry } from "../protocol/route-table.ts";
import type {
  EndpointEntry,
  MeshSettings,
  NodeEntry,
  ServiceEntry,
  ServicePort,
  TableDelta,
  TableKind,
  TableKinds,
  TableSnapshot,
  WorkloadEntry,
} from "../protocol/table.ts";
import { normalizeAddress } from "./address.ts";
import { checkDelta, checkSnapshot } from "./check-table.ts";
import { CidrIndex } from "./cidr-index.ts";
import { entryKey, TABLE_KINDS } from "./entry-key.ts";
import { routeKey } from "./http/route-key.ts";
import { MAX_DERIVED_RESULTS } from "./limits.ts";
import { OwnerIndex } from "./owner-index.ts";
import { SharedValues } from "./shared-values.ts";

export interface VipMatch {
  readonly service: ServiceEntry;
  readonly port: ServicePort;
}

type EntryMaps = { readonly [K in TableKind]: Map<string, TableKinds[K]> };

const NO_ENDPOINTS: ReadonlySet<EndpointEntry> = new Set();

export class TableState {
  #epoch: string;
  #sequence: number;
  #mesh: MeshSettings;
  readonly #entries: EntryMaps = {
    node: new Map(),
    workload: new Map(),
    service: new Map(),
    endpoint: new Map(),
    route: new Map(),
  };
  readonly #workloadByAddress = new OwnerIndex();
  readonly #nodeByAddress = new OwnerIndex();
  readonly #nodeByCidr = new CidrIndex();
  readonly #serviceByVip = new OwnerIndex();
  readonly #endpointsByService = new Map<string, Set<EndpointEntry>>();
  /** Pod -> keys of the Services that select it. Arrays: a Set of one element is four times as large. */
  readonly #servicesOfWorkload = new Map<string, readonly string[]>();
  /** `shop/catalog:80` -> how many groups of callers have routes there. */
  readonly #routedPorts = new Map<string, number>();
  readonly #shared = new SharedValues();
  /** Service key -> variant -> result; see `derive`. */
  readonly #derived = new Map<string, Map<string, unknown>>();
  #derivedCount = 0;

  /** Throws RoutingError `corrupt-table` when two entries have the same key or an endpoint points nowhere. */
  constructor(snapshot: TableSnapshot) {
    checkSnapshot(snapshot);
    this.#epoch = snapshot.epoch;
    this.#sequence = snapshot.sequence;
    this.#mesh = snapshot.mesh;
    for (const entry of snapshot.nodes) this.#upsert("node", entry);
    for (const entry of snapshot.workloads) this.#upsert("workload", entry);
    for (const entry of snapshot.services) this.#upsert("service", entry);
    for (const entry of snapshot.endpoints) this.#upsert("endpoint", entry);
    for (const entry of snapshot.routes) this.#upsert("route", entry);
  }

  get epoch(): string {
    return this.#epoch;
  }

  get sequence(): number {
    return this.#sequence;
  }

  get mesh(): MeshSettings {
    return this.#mesh;
  }

  node(name: string): NodeEntry | undefined {
    return this.#entries.node.get(name);
  }

  workload(uid: string): WorkloadEntry | undefined {
    return this.#entries.workload.get(uid);
  }

  service(key: string): ServiceEntry | undefined {
    return this.#entries.service.get(key);
  }

  endpoint(key: string): EndpointEntry | undefined {
    return this.#entries.endpoint.get(key);
  }

  route(key: string): RouteEntry | undefined {
    return this.#entries.route.get(key);
  }

  nodes(): Iterable<NodeEntry> {
    return this.#entries.node.values();
  }

  workloads(): Iterable<WorkloadEntry> {
    return this.#entries.workload.values();
  }

  services(): Iterable<ServiceEntry> {
    return this.#entries.service.values();
  }

  endpoints(): Iterable<EndpointEntry> {
    return this.#entries.endpoint.values();
  }

  routes(): Iterable<RouteEntry> {
    return this.#entries.route.values();
  }

  /** The pod with this address; takes any spelling, also `::ffff:10.0.0.1`. */
  workloadByAddress(address: string): WorkloadEntry | undefined {
    const uid = lookUp(this.#workloadByAddress, address);
    return uid === undefined ? undefined : this.#entries.workload.get(uid);
  }

  /**
   * The node with this address, or else the node whose pod CIDR holds it when no pod has it: network plugins give the
   * node's bridge or tunnel device an address of its pod CIDR, and connections may come from there.
   */
  nodeByAddress(address: string): NodeEntry | undefined {
    const normalized = normalizeAddress(address);
    if (normalized === undefined) return undefined;
    let name = this.#nodeByAddress.get(normalized);
    if (name === undefined && this.#workloadByAddress.get(normalized) === undefined) {
      name = this.#nodeByCidr.get(normalized);
    }
    return name === undefined ? undefined : this.#entries.node.get(name);
  }

  /** The Service whose ClusterIP and TCP port these are. */
  serviceByVip(address: string, port: number): VipMatch | undefined {
    const key = lookUp(this.#serviceByVip, address);
    const service = key === undefined ? undefined : this.#entries.service.get(key);
    if (service === undefined) return undefined;
    for (const candidate of service.ports) {
      if (candidate.port === port && candidate.protocol === "TCP") return { service, port: candidate };
    }
    return undefined;
  }

  endpointsOf(serviceKey: string): ReadonlySet<EndpointEntry> {
    return this.#endpointsByService.get(serviceKey) ?? NO_ENDPOINTS;
  }

  /** Whether anybody's requests to this port are under routes. */
  isRouted(serviceKey: string, port: number): boolean {
    return this.#routedPorts.has(routeKey(serviceKey, port, undefined));
  }

  /** The SPIFFE identity that the pod's certificates carry (the form of protocol/identity.ts). */
  identityOf(workload: WorkloadEntry): string {
    return `spiffe://${this.#mesh.trustDomain}/ns/${workload.namespace}/sa/${workload.serviceAccount}`;
  }

  /**
   * Something computed from one Service, its routes, its endpoints, their pods, the nodes and the mesh settings, remembered until
   * one of these changes: the same object is given out until then. `variant` names what else it depends on.
   */
  derive<T>(serviceKey: string, variant: string, compute: () => T): T {
    const known = this.#derived.get(serviceKey)?.get(variant);
    if (known !== undefined) return known as T;
    if (this.#derivedCount >= MAX_DERIVED_RESULTS) this.#forgetAllDerived();
    const result = compute();
    const variants = this.#derived.get(serviceKey) ?? new Map<string, unknown>();
    this.#derived.set(serviceKey, variants);
    variants.set(variant, result);
    this.#derivedCount += 1;
    return result;
  }

  /**
   * Goes from `sequence` to `sequence + 1`. Throws RoutingError `wrong-epoch`, `wrong-sequence` or `corrupt-table`,
   * and then nothing has changed; a snapshot is what helps.
   */
  apply(delta: TableDelta): void {
    checkDelta(this, delta);
    for (const kind of TABLE_KINDS) for (const key of delta.removals[kind] ?? []) this.#remove(kind, key);
    for (const kind of TABLE_KINDS) for (const entry of delta.upserts[kind] ?? []) this.#upsert(kind, entry);
    if (delta.mesh !== undefined) {
      this.#mesh = delta.mesh;
      this.#forgetAllDerived();
    }
    this.#sequence = delta.sequence;
  }

  /** Entries in order of their keys, so that equal tables give equal snapshots whatever their history. */
  toSnapshot(): TableSnapshot {
    return {
      epoch: this.#epoch,
      sequence: this.#sequence,
      mesh: this.#mesh,
      nodes: sorted(this.#entries.node),
      workloads: sorted(this.#entries.workload),
      services: sorted(this.#entries.service),
      endpoints: sorted(this.#entries.endpoint),
      routes: sorted(this.#entries.route),
    };
  }

  #upsert<K extends TableKind>(kind: K, entry: TableKinds[K]): void {
    const held = this.#held(kind, entry);
    const key = entryKey(kind, held);
    this.#remove(kind, key);
    (this.#entries[kind] as Map<string, TableKinds[K]>).set(key, held);
    this.#index(kind, held, true);
  }

  /** The same entry in the form in which it costs the least. */
  #held<K extends TableKind>(kind: K, entry: TableKinds[K]): TableKinds[K] {
    const held = this.#shared.entry(kind, entry);
    if (kind !== "endpoint") return held;
    const endpoint = held as EndpointEntry;
    if (endpoint.workload === undefined) return held;
    const workload = this.#entries.workload.get(endpoint.workload)?.uid ?? endpoint.workload;
    return { ...endpoint, workload } as TableKinds[K];
  }

  #remove(kind: TableKind, key: string): void {
    const entries: Map<string, TableKinds[TableKind]> = this.#entries[kind];
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    this.#index(kind, entry, false);
  }

  #index<K extends TableKind>(kind: K, entry: TableKinds[K], present: boolean): void {
    if (kind === "node") this.#indexNode(entry as NodeEntry, present);
    else if (kind === "workload") this.#indexWorkload(entry as WorkloadEntry, present);
    else if (kind === "service") this.#indexService(entry as ServiceEntry, present);
    else if (kind === "endpoint") this.#indexEndpoint(entry as EndpointEntry, present);
    else this.#indexRoute(entry as RouteEntry, present);
  }

  #indexNode(node: NodeEntry, present: boolean): void {
    for (const address of node.addresses) claim(this.#nodeByAddress, address, node.name, present);
    for (const cidr of node.podCidrs) {
      if (present) this.#nodeByCidr.add(cidr, node.name);
      else this.#nodeByCidr.remove(cidr, node.name);
    }
    this.#forgetAllDerived();
  }

  #indexWorkload(workload: WorkloadEntry, present: boolean): void {
    for (const address of workload.addresses) claim(this.#workloadByAddress, address, workload.uid, present);
    for (const service of this.#servicesOfWorkload.get(workload.uid) ?? []) this.#forgetDerived(service);
  }

  #indexService(service: ServiceEntry, present: boolean): void {
    for (const address of service.clusterIps) claim(this.#serviceByVip, address, service.key, present);
    this.#forgetDerived(service.key);
  }

  #indexEndpoint(endpoint: EndpointEntry, present: boolean): void {
    member(this.#endpointsByService, endpoint.service, endpoint, present);
    this.#indexSelection(endpoint, present);
    this.#forgetDerived(endpoint.service);
  }

  #indexRoute({ service, port }: RouteEntry, present: boolean): void {
    const key = routeKey(service, port, undefined);
    const count = (this.#routedPorts.get(key) ?? 0) + (present ? 1 : -1);
    if (count === 0) this.#routedPorts.delete(key);
    else this.#routedPorts.set(key, count);
    this.#forgetDerived(service);
  }

  #indexSelection({ workload, service }: EndpointEntry, present: boolean): void {
    if (workload === undefined) return;
    const others = (this.#servicesOfWorkload.get(workload) ?? []).filter((key) => key !== service);
    const services = present ? [...others, service] : others;
    if (services.length === 0) this.#servicesOfWorkload.delete(workload);
    else this.#servicesOfWorkload.set(workload, services);
  }

  #forgetDerived(serviceKey: string): void {
    const variants = this.#derived.get(serviceKey);
    if (variants === undefined) return;
    this.#derivedCount -= variants.size;
    this.#derived.delete(serviceKey);
  }

  #forgetAllDerived(): void {
    this.#derived.clear();
    this.#derivedCount = 0;
  }
}

/** Text from the kernel is nearly always in the normal spelling already: normalize only on a miss. */
function lookUp(index: OwnerIndex, address: string): string | undefined {
  const owner = index.get(address);
  if (owner !== undefined || !address.includes(":")) return owner;
  const normalized = normalizeAddress(address);
  return normalized === undefined ? undefined : index.get(normalized);
}

function claim(index: OwnerIndex, address: string, owner: string, present: boolean): void {
  const normalized = normalizeAddress(address);
  // The entry's own text where it is the normal spelling: not a second one of every address.
  const key = normalized === undefined || normalized === address ? address : normalized;
  if (present) index.add(key, owner);
  else index.remove(key, owner);
}

function member(sets: Map<string, Set<EndpointEntry>>, key: string, endpoint: EndpointEntry, present: boolean): void {
  const set = sets.get(key);
  if (present) {
    if (set === undefined) sets.set(key, new Set([endpoint]));
    else set.add(endpoint);
    return;
  }
  set?.delete(endpoint);
  if (set?.size === 0) sets.delete(key);
}

function sorted<T>(entries: ReadonlyMap<string, T>): T[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}
