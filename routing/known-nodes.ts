/**
 * The Nodes, kept up to date as a whole: whether an address is a node's own depends on the networks of all of them, and
 * so does what is wrong with these. Each is read once, so that a thousand are compiled in a few milliseconds.
 */
import type { NodeDocument } from "../protocol/documents/document.ts";
import type { Problem } from "../protocol/documents/problem.ts";
import type { NodeEntry } from "../protocol/table.ts";
import type { AddressClaims, WantedAddress } from "./address-claims.ts";
import { CidrIndex } from "./cidr-index.ts";
import { compileNode, ownAddresses, type ReadNode, readNode, reportForeign, reportOverlaps } from "./compile-nodes.ts";
import { CompileProblems } from "./compile-problems.ts";
import { SortedValues } from "./sorted-values.ts";

export class KnownNodes {
  readonly #networks = new CidrIndex();
  readonly #nodes = new SortedValues<ReadNode>();
  /** Until a network comes or goes. */
  readonly #ownAddresses = new Map<NodeDocument, readonly WantedAddress[]>();
  #problems: readonly Problem[] = [];

  add(document: NodeDocument): void {
    const { name } = document.metadata;
    const node = readNode(document);
    this.#nodes.set(name, node);
    for (const { cidr } of node.networks) this.#networks.add(cidr, name);
    this.#ownAddresses.clear();
  }

  remove({ metadata: { name } }: NodeDocument): void {
    for (const { cidr } of this.#nodes.get(name)?.networks ?? []) this.#networks.remove(cidr, name);
    this.#nodes.delete(name);
    this.#ownAddresses.clear();
  }

  has(name: string): boolean {
    return this.#nodes.has(name);
  }

  /** In their order, in which they are told to persons. */
  names(): Iterable<string> {
    return this.#nodes.inOrder().keys();
  }

  documents(): readonly NodeDocument[] {
    return this.#inOrder().map(({ document }) => document);
  }

  /** Whether the address is among the pods of a node. */
  isOfPods(address: string): boolean {
    return this.#networks.get(address) !== undefined;
  }

  /** That the node wants. */
  addressesOf(document: NodeDocument): readonly WantedAddress[] {
    const known = this.#ownAddresses.get(document);
    if (known !== undefined) return known;
    const node = this.#nodes.get(document.metadata.name);
    const own = node === undefined ? [] : ownAddresses(node, this.#networks);
    this.#ownAddresses.set(document, own);
    return own;
  }

  /** Sorted by name. */
  compile(agentNodes: ReadonlySet<string>, claims: AddressClaims): readonly NodeEntry[] {
    const problems = new CompileProblems();
    const nodes = this.#inOrder();
    reportOverlaps(nodes, problems);
    this.#problems = problems.list;
    return nodes.map((node) => {
      const own = this.addressesOf(node.document);
      if (own.length < node.addresses.length) reportForeign(node, this.#networks, problems);
      return compileNode(node, claims.granted(node.document, own, problems), agentNodes);
    });
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  #inOrder(): readonly ReadNode[] {
    return [...this.#nodes.inOrder().values()];
  }
}
