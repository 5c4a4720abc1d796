/**
 * The networks of every node, parsed once: a node's view looks at all nodes for every table, and nodes hardly ever
 * change. Entries are replaced whole, so an entry stands for what it says, and what nobody has any more is forgotten.
 */
import type { NodeEntry } from "../../protocol/table.ts";
import { normalizeAddress } from "../../routing/address.ts";
import { type Cidr, parseCidrs } from "./cidr.ts";

export interface NodeNetwork {
  readonly cidrs: readonly Cidr[];
  /** The node's own addresses, and those of its CIDRs that network plugins give to a device of the node; normalized. */
  readonly ownAddresses: readonly string[];
}

export class NodeNetworks {
  readonly #known = new WeakMap<NodeEntry, NodeNetwork>();

  of(node: NodeEntry): NodeNetwork {
    const known = this.#known.get(node);
    if (known !== undefined) return known;
    const cidrs = parseCidrs(node.podCidrs);
    const addresses = node.addresses.map((text) => normalizeAddress(text)).filter((address) => address !== undefined);
    const network = { cidrs, ownAddresses: [...addresses, ...cidrs.flatMap((cidr) => cidr.nodeAddresses())] };
    this.#known.set(node, network);
    return network;
  }
}
