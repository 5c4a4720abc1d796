/** The network state of a node as text without counters and times: equal text means that nothing was left behind. */
import type { LabHostState } from "../lab-status.ts";
import type { Sandbox } from "./sandbox.ts";

export async function hostState(node: Sandbox): Promise<LabHostState> {
  const take = async (...argv: readonly string[]): Promise<string> => (await node.tryRun(argv)).stdout;
  const [iptablesNft, iptablesLegacy, ip6tablesNft, ip6tablesLegacy, ipset, rule4, rule6, route4, route6, sysctl] =
    await Promise.all([
      take("iptables-nft-save"),
      take("iptables-legacy-save"),
      take("ip6tables-nft-save"),
      take("ip6tables-legacy-save"),
      take("ipset", "save"),
      take("ip", "-4", "rule"),
      take("ip", "-6", "rule"),
      take("ip", "-4", "route", "show", "table", "all"),
      take("ip", "-6", "route", "show", "table", "all"),
      take("sysctl", "-a", "-e", "-r", "^net\\."),
    ]);
  return {
    iptablesNft: withoutCounters(iptablesNft),
    iptablesLegacy: withoutCounters(iptablesLegacy),
    ip6tablesNft: withoutCounters(ip6tablesNft),
    ip6tablesLegacy: withoutCounters(ip6tablesLegacy),
    ipset,
    rule4,
    rule6,
    route4: sorted(route4),
    route6: sorted(route6),
    sysctl: withoutMeasurements(sysctl),
  };
}

/** Comments carry the time of the dump, chain lines the packet counters. */
function withoutCounters(text: string): string {
  return text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .map((line) => line.replace(/ \[\d+:\d+\]$/, ""))
    .join("\n");
}

/** Entries that count or draw at random, rather than being set by anyone. */
function withoutMeasurements(text: string): string {
  return text
    .split("\n")
    .filter(
      (line) => !/^net\.netfilter\.nf_conntrack_(count|buckets)|stable_secret|^net\.ipv4\.tcp_fastopen_key/.test(line),
    )
    .join("\n");
}

function sorted(text: string): string {
  return text.split("\n").sort().join("\n");
}
