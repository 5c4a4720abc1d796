/**
 * Modes of kube-proxy beside which interception does not do all that is promised: looked up once, for the log and the
 * configuration dump. Neither lets anything leave in clear where encryption is strict.
 */
import type { Commands } from "./commands.ts";

/** One sentence each, saying what happens and what to do; none beside kube-proxy's iptables mode. */
export async function kubeProxyHazards(commands: Commands): Promise<readonly string[]> {
  const [ipvs, nftables] = await Promise.all([
    commands.works(["ip", "link", "show", "dev", "kube-ipvs0"]),
    hasNftablesTable(commands),
  ]);
  return [...(ipvs ? [IPVS] : []), ...(nftables ? [NFTABLES] : [])];
}

/**
 * ip_vs takes packets for a ClusterIP at LOCAL_IN, after TPROXY and before the socket; redirected ones have another address by
 * then. From the kernel's source; untried.
 */
const IPVS = "kube-proxy is in IPVS mode, connections to ClusterIPs are not intercepted: use its iptables mode";

/** Two hooks of NAT with the same priority: the first to give a connection its address wins. */
const NFTABLES =
  "kube-proxy is in nftables mode and may choose endpoints before Hawser does: balancing and local shares are not kept, " +
  "and strict encryption refuses what it sends elsewhere from a local share; where pods are on a bridge with br_netfilter, " +
  "connections to ClusterIPs may then be refused altogether: use its iptables mode";

async function hasNftablesTable(commands: Commands): Promise<boolean> {
  try {
    const { stdout } = await commands.attempt(["nft", "list", "tables"]);
    return /^table ip6? kube-proxy$/m.test(stdout);
  } catch {
    // No nft program: most likely nobody made such a table.
    return false;
  }
}
