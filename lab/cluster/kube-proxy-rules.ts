/**
 * The rules kube-proxy's iptables mode would write for these Services (pure): ClusterIP by DNAT with `statistic`,
 * hairpin by masquerade, REJECT for Services without endpoints. Same chain names, marks and order as kube-proxy's
 * (pkg/proxy/iptables), so that whoever lives beside it meets what lives on real nodes.
 */
import { createHash } from "node:crypto";
import { familyOf, hostPrefix } from "./addresses.ts";
import type { Family } from "./addresses.ts";
import type { LabService, LabServicePort } from "./cluster-file.ts";

/** One port of one Service with the addresses behind it. */
export interface ServiceBackends {
  readonly service: LabService;
  readonly port: LabServicePort;
  readonly endpoints: readonly { readonly ip: string; readonly port: number }[];
}

export interface KubeProxyRules {
  /** Input of iptables-restore --noflush. */
  readonly text: string;
  /** Per-Service chains in it, to be removed once they are no longer there. */
  readonly chains: ReadonlySet<string>;
}

/** kube-proxy's masqueradeBit 14. */
const MASQUERADE_MARK = "0x4000";

/** Chains and jumps that are made once per node, before the first rules; run with iptables-restore --noflush. */
export const KUBE_PROXY_SETUP = `*mangle
:KUBE-PROXY-CANARY - [0:0]
COMMIT
*filter
:KUBE-PROXY-CANARY - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
COMMIT
*nat
:KUBE-PROXY-CANARY - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
COMMIT
`;

/** What does not come from `clusterCidr` is masqueraded. `stale`: chains of the last rules; those no longer needed are deleted in the same transaction. */
export function kubeProxyRules(
  backends: readonly ServiceBackends[],
  family: Family,
  clusterCidr: string | undefined,
  stale: ReadonlySet<string>,
): KubeProxyRules {
  const nat = new NatTable();
  const filter: string[] = [];
  for (const one of backends) {
    const ips = one.service.clusterIps.filter((ip) => familyOf(ip) === family);
    const endpoints = one.endpoints.filter((endpoint) => familyOf(endpoint.ip) === family);
    for (const ip of ips) {
      if (endpoints.length === 0) filter.push(rejectRule(one, ip));
      else nat.addPort(one, ip, endpoints, clusterCidr);
    }
  }
  return { text: `${filterText(filter)}${nat.text(stale)}`, chains: nat.chains };
}

class NatTable {
  readonly chains = new Set<string>();
  readonly #rules: string[] = [];

  addPort(
    one: ServiceBackends,
    ip: string,
    endpoints: ServiceBackends["endpoints"],
    clusterCidr: string | undefined,
  ): void {
    const portName = portNameOf(one);
    const protocol = one.port.protocol.toLowerCase();
    const chain = `KUBE-SVC-${hash(`${portName}${protocol}`)}`;
    const match = `-d ${hostPrefix(ip)} -p ${protocol} -m comment --comment "${portName} cluster IP" -m ${protocol} --dport ${one.port.port}`;
    this.chains.add(chain);
    this.#rules.push(`-A KUBE-SERVICES ${match} -j ${chain}`);
    if (clusterCidr !== undefined) this.#rules.push(`-A ${chain} ! -s ${clusterCidr} ${match} -j KUBE-MARK-MASQ`);
    for (const [index, endpoint] of endpoints.entries())
      this.#addEndpoint(chain, portName, protocol, endpoint, endpoints.length - index);
  }

  #addEndpoint(
    chain: string,
    portName: string,
    protocol: string,
    endpoint: { ip: string; port: number },
    left: number,
  ): void {
    const target =
      familyOf(endpoint.ip) === 4 ? `${endpoint.ip}:${endpoint.port}` : `[${endpoint.ip}]:${endpoint.port}`;
    const endpointChain = `KUBE-SEP-${hash(`${portName}${protocol}${target}`)}`;
    const share = left === 1 ? "" : ` -m statistic --mode random --probability ${(1 / left).toFixed(10)}`;
    const comment = `-m comment --comment "${portName}"`;
    this.chains.add(endpointChain);
    this.#rules.push(`-A ${chain} -m comment --comment "${portName} -> ${target}"${share} -j ${endpointChain}`);
    this.#rules.push(`-A ${endpointChain} -s ${hostPrefix(endpoint.ip)} ${comment} -j KUBE-MARK-MASQ`);
    this.#rules.push(`-A ${endpointChain} -p ${protocol} ${comment} -m ${protocol} -j DNAT --to-destination ${target}`);
  }

  text(stale: ReadonlySet<string>): string {
    const gone = [...stale].filter((chain) => !this.chains.has(chain));
    const declared = ["KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", ...this.chains, ...gone];
    return [
      "*nat",
      ...declared.map((chain) => `:${chain} - [0:0]`),
      `-A KUBE-POSTROUTING -m mark ! --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} -j RETURN`,
      `-A KUBE-POSTROUTING -j MARK --xor-mark ${MASQUERADE_MARK}`,
      '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
      `-A KUBE-MARK-MASQ -j MARK --or-mark ${MASQUERADE_MARK}`,
      ...this.#rules,
      ...gone.map((chain) => `-X ${chain}`),
      "COMMIT\n",
    ].join("\n");
  }
}

function filterText(rejects: readonly string[]): string {
  return [
    "*filter",
    ":KUBE-SERVICES - [0:0]",
    ":KUBE-FORWARD - [0:0]",
    "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    `-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} -j ACCEPT`,
    '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    ...rejects,
    "COMMIT\n",
  ].join("\n");
}

function rejectRule(one: ServiceBackends, ip: string): string {
  const protocol = one.port.protocol.toLowerCase();
  const comment = `"${portNameOf(one)} has no endpoints"`;
  return `-A KUBE-SERVICES -d ${hostPrefix(ip)} -p ${protocol} -m comment --comment ${comment} -m ${protocol} --dport ${one.port.port} -j REJECT`;
}

function portNameOf(one: ServiceBackends): string {
  return one.port.name === "" ? one.service.key : `${one.service.key}:${one.port.name}`;
}

/** 16 base32 characters of SHA-256, as kube-proxy's portProtoHash. */
function hash(text: string): string {
  const digest = createHash("sha256").update(text).digest();
  let bits = 0n;
  for (const byte of digest.subarray(0, 10)) bits = (bits << 8n) | BigInt(byte);
  let name = "";
  for (let index = 75n; index >= 0n; index -= 5n) name += BASE32[Number((bits >> index) & 31n)] ?? "";
  return name;
}

// RFC 4648 section 6.
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
