/**
 * Node documents -> node entries. Pod CIDRs of different nodes must not overlap: they say which node traffic comes from. A
 * node's own address lies in none of another node's: addresses are its kubelet's word, and one that lies would take a
 * pod's address out of the mesh.
 */
import ipaddr from "ipaddr.js";
import type { NodeDocument } from "../protocol/documents/document.ts";
import type { NodeEntry } from "../protocol/table.ts";
import { normalizeCidr } from "./address.ts";
import { type AddressClaims, type WantedAddress, wantedAddresses } from "./address-claims.ts";
import { CidrIndex } from "./cidr-index.ts";
import { type CompileProblems, placeOfDocument } from "./compile-problems.ts";

/** Well-known label of Kubernetes. */
const ZONE_LABEL = "topology.kubernetes.io/zone";

export function compileNodes(
  documents: readonly NodeDocument[],
  agentNodes: ReadonlySet<string>,
  networks: CidrIndex,
  claims: AddressClaims,
  problems: CompileProblems,
): NodeEntry[] {
  reportOverlaps(documents, problems);
  return documents.map((document) => {
    reportForeign(document, networks, problems);
    const { name, labels } = document.metadata;
    const zone = labels[ZONE_LABEL];
    return {
      name,
      addresses: claims.granted(document, nodeAddresses(document, networks), problems),
      podCidrs: podCidrs(document).map(({ cidr }) => cidr),
      ...(zone === undefined || zone === "" ? {} : { zone }),
      agent: agentNodes.has(name),
    };
  });
}

/** The pod CIDRs of all nodes, with the names of these. */
export function podNetworks(documents: readonly NodeDocument[]): CidrIndex {
  const networks = new CidrIndex();
  for (const document of documents) {
    for (const { cidr } of podCidrs(document)) networks.add(cidr, document.metadata.name);
  }
  return networks;
}

export function nodeAddresses(document: NodeDocument, networks: CidrIndex): readonly WantedAddress[] {
  return internalAddresses(document).filter(({ address }) => !isForeign(document, networks.get(address)));
}

function isForeign({ metadata }: NodeDocument, owner: string | undefined): owner is string {
  return owner !== undefined && owner !== metadata.name;
}

function reportForeign(document: NodeDocument, networks: CidrIndex, problems: CompileProblems): void {
  for (const { address, path } of internalAddresses(document)) {
    const owner = networks.get(address);
    if (!isForeign(document, owner)) continue;
    const found = `${address}, which is among the pods of Node ${owner}`;
    problems.add(document, { code: "address-conflict", path, found, expected: "an address of the node itself" });
  }
}

function internalAddresses(document: NodeDocument): readonly WantedAddress[] {
  const internal = document.status.addresses.map(({ type, address }, index) =>
    type === "InternalIP" ? ([address, ["status", "addresses", index, "address"]] as const) : undefined,
  );
  return wantedAddresses(internal.filter((one) => one !== undefined));
}

interface PodCidr {
  readonly cidr: string;
  readonly path: readonly (string | number)[];
}

/** `podCIDRs` repeats `podCIDR` in Kubernetes, and may stand alone in a file. */
function podCidrs({ spec }: NodeDocument): readonly PodCidr[] {
  const found = new Map<string, PodCidr>();
  const add = (text: string, path: readonly (string | number)[]): void => {
    const cidr = normalizeCidr(text);
    if (cidr !== undefined && !found.has(cidr)) found.set(cidr, { cidr, path });
  };
  if (spec.podCIDR !== undefined) add(spec.podCIDR, ["spec", "podCIDR"]);
  for (const [index, text] of (spec.podCIDRs ?? []).entries()) add(text, ["spec", "podCIDRs", index]);
  return [...found.values()];
}

interface Claim extends PodCidr {
  readonly document: NodeDocument;
  /** The network's bytes in hexadecimal, so that claims sort by where they begin. */
  readonly start: string;
  readonly length: number;
}

/** Sorted by start and then by size, a CIDR overlaps an earlier one only if the last open one holds it. */
function reportOverlaps(documents: readonly NodeDocument[], problems: CompileProblems): void {
  const claims = documents.flatMap((document) => podCidrs(document).map((cidr) => toClaim(document, cidr)));
  claims.sort((a, b) => (a.start === b.start ? a.length - b.length : a.start < b.start ? -1 : 1));
  let open: Claim | undefined;
  for (const claim of claims) {
    if (open === undefined || !holds(open, claim)) {
      open = claim;
      continue;
    }
    if (open.document === claim.document) continue;
    const found = `${claim.cidr}, which ${open.cidr} of Node ${open.document.metadata.name} holds`;
    const expected = `a CIDR apart from those of other nodes (${placeOfDocument(open.document)})`;
    problems.add(claim.document, { code: "address-conflict", path: claim.path, found, expected });
  }
}

function toClaim(document: NodeDocument, { cidr, path }: PodCidr): Claim {
  const [address, length] = ipaddr.parseCIDR(cidr);
  const bytes = address.toByteArray();
  const digits = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { document, cidr, path, start: `${bytes.length === 4 ? 4 : 6}/${digits}`, length };
}

function holds(outer: Claim, inner: Claim): boolean {
  if (outer.start[0] !== inner.start[0]) return false;
  const [network, length] = ipaddr.parseCIDR(outer.cidr);
  return ipaddr.parseCIDR(inner.cidr)[0].match(network, length);
}
