/**
 * Finds the one set-up in which TPROXY cannot work: pods on a Linux bridge while br_netfilter runs the rules for bridged
 * packets. They then meet PREROUTING inside the bridge, and the kernel drops the socket that TPROXY chose when it hands
 * the packet to IP (ip_rcv_core, skb_orphan): intercepted connections would hang. Better said at once.
 */
import { readFile } from "node:fs/promises";
import type { RunCommand } from "../../core/run-command.ts";

const SYSCTL = "/proc/sys/net/bridge/bridge-nf-call-iptables";

interface AddressedLink {
  readonly ifname?: string;
  readonly addr_info?: readonly { readonly local?: string }[];
}

export interface BridgeNetfilterOptions {
  readonly run: RunCommand;
  /** Whether an address lies where this node's pods have theirs. */
  readonly isPodAddress: (address: string) => boolean;
  /** For tests. Rejects when br_netfilter is not loaded. */
  readonly readSysctl?: () => Promise<string>;
}

/** What is wrong and what to do about it, or undefined. A host that cannot be asked is taken to be well. */
export async function findBridgeNetfilter(options: BridgeNetfilterOptions): Promise<string | undefined> {
  const readSysctl = options.readSysctl ?? (() => readFile(SYSCTL, "utf8"));
  const value = await readSysctl().catch(() => "0");
  if (value.trim() !== "1") return undefined;
  const bridge = (await bridges(options.run)).find(({ addr_info: addresses = [] }) =>
    addresses.some(({ local }) => local !== undefined && options.isPodAddress(local)),
  );
  if (bridge === undefined) return undefined;
  return (
    `pods are on the bridge ${bridge.ifname ?? "?"} and net.bridge.bridge-nf-call-iptables is 1, where TPROXY cannot work; ` +
    "use a CNI that routes to pods, or set it to 0 if nothing else needs it"
  );
}

async function bridges(run: RunCommand): Promise<readonly AddressedLink[]> {
  try {
    const { exitCode, stdout } = await run(["ip", "-json", "address", "show", "type", "bridge"]);
    return exitCode === 0 && stdout.trim() !== "" ? (JSON.parse(stdout) as AddressedLink[]) : [];
  } catch {
    return [];
  }
}
