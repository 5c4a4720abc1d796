/**
 * The numbers that the rules share with sockets and with policy routing, and why they meet nobody else's.
 *
 * Two bits are used, with one meaning on packets and another on connections:
 *
 *   bit      packet (skb mark)                         connection (conntrack mark)
 *   deliver  deliver to the agent on this host         belongs to the agent
 *   own      sent by the agent (SO_MARK)               was decided: goes directly to a local endpoint
 *   both     forwarded although it must not: refused   -
 */

export interface MarkBits {
  readonly deliver: number;
  readonly own: number;
}

/**
 * Bits 12 and 13 stay clear of kube-proxy (0x4000, 0x8000), Calico (0xffff0000), Cilium (0x0f00, and 0x0e00 with an
 * identity in the upper half), Istio (0x539 within 0xfff), AWS VPC CNI (0x80) and Tailscale (0xff0000).
 */
export const Marks: MarkBits = { deliver: 0x1000, own: 0x2000 };

/**
 * Routing table with the one route "everything is local". Above 255, so outside of Calico's range (1-250) and of the
 * kernel's own tables, and apart from Cilium's (2004 ff.) and Istio's (100 ff.). The tunnels' port, to be recognised.
 */
export const DELIVER_TABLE = 15008;

/**
 * Preference of the policy rule that leads to it. Before whatever routes by a pod's address (AWS VPC CNI: 512 to the pod,
 * 1536 from the pod; kube-router: 32764), and after Cilium's own (9, and the `local` table moved to 100).
 */
export const DELIVER_PREFERENCE = 150;
/** Locally made packets and reverse-path checks jump from here over the rule above, to the landing below. */
export const BYPASS_PREFERENCE = DELIVER_PREFERENCE - 1;
export const LANDING_PREFERENCE = DELIVER_PREFERENCE + 1;

/** A mark or mask as iptables and ip print it. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
