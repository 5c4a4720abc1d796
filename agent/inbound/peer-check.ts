/**
 * Who may speak through a tunnel. The certificate proves an identity; the table says where that identity lives; both
 * must fit the address the tunnel comes from. A stolen key is useless from another node, and a node that was taken over
 * can speak only for its own pods.
 *
 * Two kinds of peers: a Hawser agent dials from its node's address and names the source pod in `forwarded`; a ztunnel
 * dials from the pod's own address.
 */
import { parseIdentity } from "../../protocol/identity.ts";
import type { WorkloadEntry } from "../../protocol/table.ts";
import { normalizeAddress } from "../../routing/address.ts";
import type { TableState } from "../../routing/table-state.ts";

export interface TunnelPeer {
  readonly identity: string;
  /** Address the tunnel comes from. */
  readonly address: string;
}

export interface StreamSource {
  readonly workload: WorkloadEntry;
  readonly address: string;
  /** 0 when unknown. */
  readonly port: number;
}

/** Why this peer may not have a tunnel from there, or undefined. */
export function refusePeer(table: TableState, peer: TunnelPeer): string | undefined {
  const { trustDomain } = table.mesh;
  if (parseIdentity(peer.identity)?.trustDomain !== trustDomain) {
    return `${peer.identity} is not of trust domain ${trustDomain}`;
  }
  const pod = table.workloadByAddress(peer.address);
  if (pod !== undefined) {
    const expected = table.identityOf(pod);
    return expected === peer.identity ? undefined : `${peer.identity} comes from pod ${pod.uid}, which is ${expected}`;
  }
  const node = table.nodeByAddress(peer.address);
  if (node === undefined) return `${peer.identity} comes from ${peer.address}, which is neither a node nor a pod`;
  for (const workload of table.workloads()) {
    const placed = workload.node === node.name && workload.mesh && table.identityOf(workload) === peer.identity;
    if (placed) return undefined;
  }
  return `${peer.identity} has no pod on node ${node.name}, from which the tunnel comes; its key may be stolen`;
}

/** The pod a stream comes from, or the reason to refuse it. `forwarded`: the request's header. */
export function streamSource(
  table: TableState,
  peer: TunnelPeer,
  forwarded: string | undefined,
): StreamSource | string {
  const pod = table.workloadByAddress(peer.address);
  const claimed = parseForwardedFor(forwarded);
  if (pod !== undefined) {
    const refusal = refusePeer(table, peer);
    return refusal ?? { workload: pod, address: normalizeAddress(peer.address) ?? peer.address, port: 0 };
  }
  if (claimed === undefined) return `tunnel of a node must name the source pod in "forwarded", it has ${forwarded}`;
  const node = table.nodeByAddress(peer.address);
  if (node === undefined) return `${peer.address} is not the address of a node`;
  const workload = table.workloadByAddress(claimed.address);
  if (workload === undefined || !workload.mesh) return `${claimed.address} is not a pod of the mesh`;
  if (workload.node !== node.name) {
    return `pod ${workload.uid} is on node ${workload.node}, the tunnel comes from ${node.name}`;
  }
  const identity = table.identityOf(workload);
  if (identity !== peer.identity) return `pod ${workload.uid} is ${identity}, the certificate proves ${peer.identity}`;
  return { workload, ...claimed };
}

// RFC 7239 section 6: an address with a port is a quoted string, IPv6 in brackets.
const FORWARDED_FOR = /(?:^|[;,]\s*)for="?(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})"?(?=$|[;,\s])/;

export function parseForwardedFor(header: string | undefined): { address: string; port: number } | undefined {
  const match = FORWARDED_FOR.exec(header ?? "");
  const address = normalizeAddress(match?.[1] ?? match?.[2] ?? "");
  const port = Number(match?.[3]);
  return address === undefined || !(port > 0 && port < 65_536) ? undefined : { address, port };
}

// RFC 9110 section 7.2 with a literal address; names are for gateways, which an agent is not.
const AUTHORITY = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/;

export function parseAuthority(authority: string): { address: string; port: number } | undefined {
  const match = AUTHORITY.exec(authority);
  const address = normalizeAddress(match?.[1] ?? match?.[2] ?? "");
  const port = Number(match?.[3]);
  return address === undefined || !(port > 0 && port < 65_536) ? undefined : { address, port };
}
