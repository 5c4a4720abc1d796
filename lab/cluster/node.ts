/**
 * A node: namespaces with an uplink to the underlay, a bridge for its pods, and routes to the pods of other nodes.
 *
 *   pod eth0 ── veth ── bridge `pods` (gateway) ── node routing + iptables ── eth0 ── bridge `underlay` (fabric)
 *
 * Pods have host addresses (/32, /128) and a default route to the bridge, so every packet between two pods is routed
 * by the node, also within it: nothing goes past the node's iptables on layer 2.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { familyOf, hostAt, PodAddresses } from "./addresses.ts";
import type { Family } from "./addresses.ts";
import type { LabNode } from "./cluster-file.ts";
import { Sandbox } from "./sandbox.ts";
import type { SandboxSettings } from "./sandbox.ts";

export const UPLINK = "eth0";
const POD_BRIDGE = "pods";
/**
 * Given by hand, as CNI plugins do it: else a bridge takes the lowest address of its ports, so a new pod may change it under
 * the others, who then speak to an address that nobody has until they find out (NUD, RFC 4861 section 7.3). Locally administered.
 */
export const BRIDGE_ADDRESS = "02:68:61:77:73:01";
/** Without these a new bridge holds back its first packets (RFC 4541 snooping, 802.1D listening). */
export const BRIDGE_OPTIONS = "stp_state 0 forward_delay 0 mcast_snooping 0";

/** On in every sandbox: addresses work at once, nothing is learned from routers. Keys are below /proc/sys/net. */
export const QUICK_IPV6_SYSCTLS: Readonly<Record<string, string>> = Object.fromEntries(
  ["all", "default"].flatMap((scope) => [
    [`ipv6/conf/${scope}/disable_ipv6`, "0"],
    [`ipv6/conf/${scope}/accept_dad`, "0"],
    [`ipv6/conf/${scope}/accept_ra`, "0"],
    // IPv6 has no send_redirects: a pod that learns the short way past its node would answer without undoing DNAT.
    [`ipv6/conf/${scope}/accept_redirects`, "0"],
  ]),
);

/** What is different between the machines that nodes are. */
export interface NodeKernel {
  /** `net.ipv4.conf.*.rp_filter`. */
  readonly rpFilter: number;
  /** br_netfilter: iptables also sees what a bridge hands on, as bridge CNI plugins and kubeadm want it. */
  readonly bridgeNetfilter: boolean;
}

/** A node routes, and does not tell pods of a shorter way past it. */
function nodeSysctls({ rpFilter, bridgeNetfilter }: NodeKernel): Readonly<Record<string, string>> {
  const scoped = ["all", "default"].flatMap((scope): [string, string][] => [
    [`ipv4/conf/${scope}/rp_filter`, `${rpFilter}`],
    [`ipv4/conf/${scope}/send_redirects`, "0"],
    [`ipv6/conf/${scope}/forwarding`, "1"],
  ]);
  const bridge = ["iptables", "ip6tables", "arptables"].map((name): [string, string] => [
    `bridge/bridge-nf-call-${name}`,
    bridgeNetfilter ? "1" : "0",
  ]);
  return { ...QUICK_IPV6_SYSCTLS, "ipv4/ip_forward": "1", ...Object.fromEntries<string>([...scoped, ...bridge]) };
}

/** Programs of the node and of its host-network pods take turns by it: legacy iptables has no other way. */
const XTABLES_LOCK = "/run/xtables.lock";

/** Where the lab keeps what is on a node's disk. */
export function nodeDirectory(stateDir: string, nodeName: string): string {
  return path.join(stateDir, "nodes", nodeName);
}

export class ClusterNode {
  readonly entry: LabNode;
  readonly sandbox: Sandbox;
  readonly addresses: PodAddresses;

  constructor(entry: LabNode, sandbox: Sandbox) {
    this.entry = entry;
    this.sandbox = sandbox;
    this.addresses = new PodAddresses(entry.podCidrs);
  }

  static async start(
    entry: LabNode,
    base: Pick<SandboxSettings, "stateDir" | "projectRoot">,
    kernel: NodeKernel,
  ): Promise<ClusterNode> {
    const lock = path.join(nodeDirectory(base.stateDir, entry.name), XTABLES_LOCK);
    mkdirSync(path.dirname(lock), { recursive: true });
    writeFileSync(lock, "");
    const sandbox = await Sandbox.start({
      ...base,
      hostname: entry.name,
      privateDirectories: ["/run"],
      sysctls: nodeSysctls(kernel),
      files: {},
      mounts: [{ source: lock, path: XTABLES_LOCK, readOnly: false }],
    });
    return new ClusterNode(entry, sandbox);
  }

  get name(): string {
    return this.entry.name;
  }

  /** The pods' default gateway, which is also the address of the bridge. */
  gateway(family: Family): string | undefined {
    const cidr = this.entry.podCidrs.find((one) => familyOf(one) === family);
    return cidr === undefined ? undefined : hostAt(cidr, 1);
  }

  /** After the uplink was put into the namespace. `gateways`: the fabric's addresses. */
  async configure(
    others: readonly LabNode[],
    gateways: readonly string[],
    prefixOf: (address: string) => string,
  ): Promise<void> {
    await this.sandbox.ip([
      "link set lo up",
      ...this.entry.addresses.map((address) => `addr add ${prefixOf(address)} dev ${UPLINK}${noDad(address)}`),
      `link set ${UPLINK} up`,
      `link add ${POD_BRIDGE} address ${BRIDGE_ADDRESS} type bridge ${BRIDGE_OPTIONS}`,
      ...this.entry.podCidrs.map(
        (cidr) => `addr add ${hostAt(cidr, 1)}/${cidr.split("/")[1]} dev ${POD_BRIDGE}${noDad(cidr)}`,
      ),
      `link set ${POD_BRIDGE} up`,
      ...gateways.map((gateway) => `route add default via ${gateway} dev ${UPLINK}`),
      ...others.flatMap((other) => podRoutes(other, UPLINK)),
    ]);
  }

  /** Puts a new interface `eth0` into the pod's namespaces, the other end on the bridge. */
  async attachPod(pod: Sandbox, ips: readonly string[], veth: string): Promise<void> {
    await this.sandbox.ip([
      `link add ${veth} type veth peer name eth0 netns ${pod.pid}`,
      // Hairpin mode, as the kubelet sets it: with br_netfilter a Service call to oneself comes back out of its port.
      `link set ${veth} master ${POD_BRIDGE} up`,
      `link set ${veth} type bridge_slave hairpin on`,
    ]);
    await pod.ip([
      "link set lo up",
      ...ips.map((ip) => `addr add ${ip} dev eth0${noDad(ip)}`),
      "link set eth0 up",
      ...ips.map((ip) => `route add default via ${this.gateway(familyOf(ip))} dev eth0 onlink`),
    ]);
  }
}

export function noDad(address: string): string {
  return familyOf(address) === 6 ? " nodad" : "";
}

/** Routes to a node's pods by way of the node. */
export function podRoutes(node: LabNode, device: string): readonly string[] {
  return node.podCidrs.flatMap((cidr) => {
    const via = node.addresses.find((address) => familyOf(address) === familyOf(cidr));
    return via === undefined ? [] : [`route add ${cidr} via ${via} dev ${device}`];
  });
}
