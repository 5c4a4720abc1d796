/**
 * Node documents -> node entries. Pod CIDRs of different nodes must not overlap: they say which node traffic comes from. A
 * node's own address lies in none of another node's: addresses are its kubelet's word, and one that lies would take a
 * pod's address out of the mesh.
 */
import ipaddr from "ipaddr.js";
import type { NodeDocument } from "../protocol/documents/document.ts";
import type { NodeEntry } from "../protocol/table.ts";
import { normalizeCidr } from "./address.ts";
import { type WantedAddress, wantedAddresses } from "./address-claims.ts";
import type { CidrIndex } from "./cidr-index.ts";
import { compareText } from "./compare-text.ts";
import { type CompileProblems, placeOfDocument } from "./compile-problems.ts";

/** Well-known label of Kubernetes. */
const ZONE_LABEL = "topology.kubernetes.io/zone";

/** What a document says of addresses. */
export interface ReadNode {
  readonly document: NodeDocument;
  readonly addresses: readonly WantedAddress[];
  readonly networks: readonly PodNetwork[];
}

interface PodNetwork {
  readonly cidr: string;
  readonly path: readonly (string | number)[];
  /** The family, and the network's address as zeros and ones: networks sort by where they begin. */
  readonly start: string;
  /** Of `start`: whoever begins with as much of it lies in the network. */
  readonly length: number;
}

export function readNode(document: NodeDocument): ReadNode {
  return { document, addresses: internalAddresses(document), networks: podNetworks(document) };
}

export function compileNode(
  { document, networks }: ReadNode,
  addresses: readonly string[],
  agentNodes: ReadonlySet<string>,
): NodeEntry {
  const { name, labels } = document.metadata;
  const zone = labels[ZONE_LABEL];
  return {
    name,
    addresses,
    podCidrs: networks.map(({ cidr }) => cidr),
    ...(zone === undefined || zone === "" ? {} : { zone }),
    agent: agentNodes.has(name),
  };
}

export function ownAddresses({ document, addresses }: ReadNode, networks: CidrIndex): readonly WantedAddress[] {
  return addresses.filter(({ address }) => !isForeign(document, networks.get(address)));
}

function isForeign({ metadata }: NodeDocument, owner: string | undefined): owner is string {
  return owner !== undefined && owner !== metadata.name;
}

export function reportForeign({ document, addresses }: ReadNode, networks: CidrIndex, problems: CompileProblems): void {
  for (const { address, path } of addresses) {
    const owner = networks.get(address);
    if (!isForeign(document, owner)) continue;
    const found = `${address}, which is among the pods of Node ${owner}`;
    problems.add(document, { code: "address-conflict", path, found, expected: "an address of the node itself" });
  }
}

/** Sorted by start and then by size, a network overlaps an earlier one only if the last open one holds it. */
export function reportOverlaps(nodes: readonly ReadNode[], problems: CompileProblems): void {
  const claims = nodes.flatMap(({ document, networks }) => networks.map((network) => ({ document, network })));
  claims.sort(({ network: a }, { network: b }) => compareText(a.start, b.start) || a.length - b.length);
  let [open] = claims;
  for (const claim of claims) {
    if (open === undefined || !holds(open.network, claim.network)) {
      open = claim;
      continue;
    }
    if (open.document === claim.document) continue;
    const { cidr, path } = claim.network;
    const found = `${cidr}, which ${open.network.cidr} of Node ${open.document.metadata.name} holds`;
    const expected = `a CIDR apart from those of other nodes (${placeOfDocument(open.document)})`;
    problems.add(claim.document, { code: "address-conflict", path, found, expected });
  }
}

function holds(outer: PodNetwork, inner: PodNetwork): boolean {
  return inner.start.startsWith(outer.start.slice(0, outer.length));
}

function internalAddresses(document: NodeDocument): readonly WantedAddress[] {
  const internal = document.status.addresses.map(({ type, address }, index) =>
    type === "InternalIP" ? ([address, ["status", "addresses", index, "address"]] as const) : undefined,
  );
  return wantedAddresses(internal.filter((one) => one !== undefined));
}

/** `podCIDRs` repeats `podCIDR` in Kubernetes, and may stand alone in a file. */
function podNetworks({ spec }: NodeDocument): readonly PodNetwork[] {
  const found = new Map<string, PodNetwork>();
  const add = (text: string, path: readonly (string | number)[]): void => {
    const cidr = normalizeCidr(text);
    if (cidr !== undefined && !found.has(cidr)) found.set(cidr, { cidr, path, ...startOf(cidr) });
  };
  if (spec.podCIDR !== undefined) add(spec.podCIDR, ["spec", "podCIDR"]);
  for (const [index, text] of (spec.podCIDRs ?? []).entries()) add(text, ["spec", "podCIDRs", index]);
  return [...found.values()];
}

function startOf(cidr: string): Pick<PodNetwork, "start" | "length"> {
  const [address, length] = ipaddr.parseCIDR(cidr);
  const family = address.kind() === "ipv4" ? "4" : "6";
  const bits = address.toByteArray().map((byte) => byte.toString(2).padStart(8, "0"));
  return { start: [family, ...bits].join(""), length: family.length + length };
}
