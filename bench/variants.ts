/** What is compared: the same traffic on its different ways from a pod of one node to a pod of another. */

export const PEER_NAMES = ["haproxy", "nginx", "envoy", "envoy-connect"] as const;
export type PeerName = (typeof PEER_NAMES)[number];

/** In the order of the tables. */
export const VARIANT_NAMES = ["direct", "hawser", ...PEER_NAMES] as const;
export type VariantName = (typeof VARIANT_NAMES)[number];

export function isPeer(name: VariantName): name is PeerName {
  return (PEER_NAMES as readonly string[]).includes(name);
}
