/**
 * What the rules of one node need to know, derived from the routing table (pure, O(pods + endpoints)): a few sets of
 * addresses, and the Services that have a share on this node. Equal tables give equal views.
 */
import type { EncryptionMode, ServiceEntry, ServicePort, WorkloadEntry } from "../../protocol/table.ts";
import { type AddressFamily, addressFamily, normalizeAddress } from "../../routing/address.ts";
import { endpointsOfPort } from "../../routing/service-endpoints.ts";
import type { TableState } from "../../routing/table-state.ts";
import { type Cidr, parseCidrs } from "./cidr.ts";
import { MAX_DIRECT_RULES } from "./limits.ts";
import { NodeNetworks } from "./node-networks.ts";
import { type LocalTarget, serviceShare } from "./service-share.ts";

/** A port of a Service whose connections go, all or in part, straight to pods of this node. */
export interface DirectService {
  readonly service: string;
  readonly vip: string;
  readonly port: number;
  /** The agent's part, 0 <= share < 1. */
  readonly agentShare: number;
  readonly targets: readonly LocalTarget[];
}

/** One address family. Address and port are written `10.96.0.10,tcp:80`, as ipset does. */
export interface FamilyView {
  readonly local: ReadonlySet<string>;
  readonly remote: ReadonlySet<string>;
  readonly vips: ReadonlySet<string>;
  readonly skipNets: ReadonlySet<string>;
  readonly direct: readonly DirectService[];
  /** From here on only what the guard of strict encryption needs; empty when it is permissive. */
  readonly outside: ReadonlySet<string>;
  readonly localNets: ReadonlySet<string>;
  readonly remoteNets: ReadonlySet<string>;
  readonly skipEndpoints: ReadonlySet<string>;
}

export interface NodeView {
  readonly encryption: EncryptionMode;
  readonly skipPorts: ReadonlySet<number>;
  readonly families: Readonly<Record<AddressFamily, FamilyView>>;
  /** Ports of Services that have a local share but, for want of rules, go to the agent as a whole. */
  readonly overflowing: number;
}

/** `networks`: for whoever asks again and again. */
export function nodeView(table: TableState, node: string, networks = new NodeNetworks()): NodeView {
  const builder = new ViewBuilder(table, node, networks);
  builder.addPods();
  builder.addServices();
  if (table.mesh.encryption === "strict") builder.addNetworks();
  return builder.view();
}

export interface GuardOptions {
  readonly encryption: EncryptionMode;
  /** Pod CIDRs of the whole cluster, and of this node. */
  readonly clusterCidrs: readonly string[];
  readonly nodeCidrs: readonly string[];
}

/** The view while there is no table: nothing is intercepted; strict encryption refuses what crosses between nodes. */
export function guardView(options: GuardOptions): NodeView {
  const families = { 4: new FamilyBuilder(), 6: new FamilyBuilder() };
  if (options.encryption === "strict") {
    const local = parseCidrs(options.nodeCidrs);
    const remote = parseCidrs(options.clusterCidrs);
    addUsableNetworks(families, local, remote);
    for (const cidr of local) for (const address of cidr.nodeAddresses()) families[cidr.family].outside.add(address);
  }
  return { encryption: options.encryption, skipPorts: new Set(), families, overflowing: 0 };
}

/** The same shape as FamilyView, while it is being filled. */
class FamilyBuilder implements FamilyView {
  readonly local = new Set<string>();
  readonly remote = new Set<string>();
  readonly vips = new Set<string>();
  readonly skipNets = new Set<string>();
  readonly direct: DirectService[] = [];
  readonly outside = new Set<string>();
  readonly localNets = new Set<string>();
  readonly remoteNets = new Set<string>();
  readonly skipEndpoints = new Set<string>();
}

class ViewBuilder {
  readonly #table: TableState;
  readonly #node: string;
  readonly #networks: NodeNetworks;
  readonly #strict: boolean;
  readonly #families = { 4: new FamilyBuilder(), 6: new FamilyBuilder() };
  readonly #skipPorts: ReadonlySet<number>;
  readonly #skipCidrs: readonly Cidr[];
  #overflowing = 0;

  constructor(table: TableState, node: string, networks: NodeNetworks) {
    this.#table = table;
    this.#node = node;
    this.#networks = networks;
    this.#strict = table.mesh.encryption === "strict";
    this.#skipPorts = new Set(table.mesh.exclude.ports);
    this.#skipCidrs = parseCidrs(table.mesh.exclude.cidrs).flatMap((cidr) => cidr.halvesOfAll());
    for (const cidr of this.#skipCidrs) this.#families[cidr.family].skipNets.add(cidr.toString());
  }

  view(): NodeView {
    return {
      encryption: this.#table.mesh.encryption,
      skipPorts: this.#skipPorts,
      families: this.#families,
      overflowing: this.#overflowing,
    };
  }

  addPods(): void {
    for (const workload of this.#table.workloads()) {
      for (const address of normalized(workload.addresses)) this.#addPodAddress(workload, address);
    }
  }

  #addPodAddress(workload: WorkloadEntry, address: string): void {
    const family = this.#families[addressFamily(address)];
    if (!workload.mesh) {
      if (this.#strict) family.outside.add(address);
    } else if (workload.node === this.#node) {
      family.local.add(address);
    } else if (this.#strict || this.#table.node(workload.node)?.agent === true) {
      // Strict: also where no agent serves, so that our agent can refuse the connection and say why.
      family.remote.add(address);
    }
  }

  addServices(): void {
    const services = [...this.#table.services()].sort((a, b) => (a.key < b.key ? -1 : 1));
    const rules = { 4: 0, 6: 0 };
    for (const service of services) {
      for (const vip of normalized(service.clusterIps)) {
        for (const port of service.ports) if (port.protocol === "TCP") this.#addPort(service, vip, port, rules);
      }
    }
  }

  #addPort(service: ServiceEntry, vip: string, port: ServicePort, rules: Record<AddressFamily, number>): void {
    const number = addressFamily(vip);
    const family = this.#families[number];
    if (this.#skipPorts.has(port.port) || this.#skipCidrs.some((cidr) => cidr.holds(vip))) {
      if (this.#strict) this.#skipEndpointsOf(service, port, number);
      return;
    }
    const share = serviceShare(this.#table, this.#node, service, port, number);
    if (share.kind === "none") return;
    // One rule to reach a target, one for its hairpin.
    const cost = share.kind === "direct" ? share.targets.length * 2 : 0;
    if (share.kind === "direct" && rules[number] + cost <= MAX_DIRECT_RULES) {
      rules[number] += cost;
      const { agentShare, targets } = share;
      family.direct.push({ service: service.key, vip, port: port.port, agentShare, targets });
      return;
    }
    if (share.kind === "direct") this.#overflowing += 1;
    family.vips.add(addressPort(vip, port.port));
  }

  #skipEndpointsOf(service: ServiceEntry, port: ServicePort, family: AddressFamily): void {
    for (const endpoint of endpointsOfPort(this.#table, { service, port, family })) {
      this.#families[family].skipEndpoints.add(addressPort(endpoint.address, endpoint.port));
    }
  }

  /** Where the guard of strict encryption sees "this node" and "another node". */
  addNetworks(): void {
    const local: Cidr[] = [];
    const remote: Cidr[] = [];
    const cidrsByNode = new Map<string, readonly Cidr[]>();
    for (const node of this.#table.nodes()) {
      const { cidrs, ownAddresses } = this.#networks.of(node);
      cidrsByNode.set(node.name, cidrs);
      (node.name === this.#node ? local : remote).push(...cidrs);
      this.#addNodeAddresses(ownAddresses);
    }
    const usable = addUsableNetworks(this.#families, local, remote);
    cidrsByNode.set(this.#node, usable);
    for (const workload of this.#table.workloads()) {
      if (workload.mesh) this.#addStrayAddresses(workload, cidrsByNode.get(workload.node) ?? []);
    }
  }

  /** A node's own traffic is never touched, and its tunnel or bridge device may have an address among the pods'. */
  #addNodeAddresses(ownAddresses: readonly string[]): void {
    for (const address of ownAddresses) {
      if (this.#table.workloadByAddress(address)?.mesh === true) continue;
      this.#families[addressFamily(address)].outside.add(address);
    }
  }

  /** Pods whose address is not in their node's CIDR (Calico's blocks, for example) are listed one by one. */
  #addStrayAddresses(workload: WorkloadEntry, cidrs: readonly Cidr[]): void {
    for (const address of normalized(workload.addresses)) {
      if (cidrs.some((cidr) => cidr.holds(address))) continue;
      const family = this.#families[addressFamily(address)];
      (workload.node === this.#node ? family.localNets : family.remoteNets).add(address);
    }
  }
}

/**
 * A local CIDR that holds another node's cannot tell local from remote and is left out. (The reverse, a cluster's CIDR
 * around this node's, is fine: rules look at the local one first.)
 */
function addUsableNetworks(
  families: Readonly<Record<AddressFamily, FamilyBuilder>>,
  local: readonly Cidr[],
  remote: readonly Cidr[],
): readonly Cidr[] {
  const usable = local.filter((cidr) => !remote.some((other) => cidr.covers(other)));
  for (const cidr of usable.flatMap((one) => one.halvesOfAll())) families[cidr.family].localNets.add(cidr.toString());
  for (const cidr of remote.flatMap((one) => one.halvesOfAll())) families[cidr.family].remoteNets.add(cidr.toString());
  return usable;
}

function normalized(addresses: readonly string[]): readonly string[] {
  return addresses.map((address) => normalizeAddress(address)).filter((address) => address !== undefined);
}

function addressPort(address: string, port: number): string {
  return `${address},tcp:${port}`;
}
