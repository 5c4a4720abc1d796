/**
 * Takes a node's netfilter tables out of the packets' way and puts them back, without touching a rule: nftables' flag
 * `dormant` unhooks a table. The agent finds its rules as it wrote them and repairs nothing.
 *
 * Only for what is measured: without the mangle table nothing guards against clear text.
 */
import type { NodeName, TestBench } from "./test-bench.ts";

const TABLES = ["mangle", "nat", "filter"] as const;
type Table = (typeof TABLES)[number];

// By its path: a package of the same name has its own program in node_modules/.bin.
const NFT = "/usr/sbin/nft";
/** Bits `deliver` and `own` of agent/netfilter/marks.ts. */
const DELIVER = "0x1000/0x1000";
const OWN = "0x2000/0x2000";

export async function unhook(
  bench: TestBench,
  nodes: readonly NodeName[],
  tables: readonly Table[],
): Promise<AsyncDisposable> {
  const each = nodes.flatMap((node) => tables.map((table) => ({ node, table })));
  for (const { node, table } of each) {
    await bench.onNode(node, [NFT, `add table ip ${table} { flags dormant; }`]);
  }
  return undoBy(async () => {
    for (const { node, table } of each) await bench.onNode(node, [NFT, `add table ip ${table}`]);
  });
}

/** Packets that the agent gets by its mark, and those it sends, are nothing to conntrack. */
export async function untrack(bench: TestBench, nodes: readonly NodeName[]): Promise<AsyncDisposable> {
  const rules = [
    ["PREROUTING", "-m", "mark", "--mark", DELIVER, "-j", "CT", "--notrack"],
    ["OUTPUT", "-m", "mark", "--mark", OWN, "-j", "CT", "--notrack"],
    // Accepted sockets have no mark, and speak as somebody else: half a connection tracked is worse than all of it.
    ["OUTPUT", "-p", "tcp", "-m", "addrtype", "!", "--src-type", "LOCAL", "-j", "CT", "--notrack"],
  ];
  const run = async (verb: string): Promise<void> => {
    for (const node of nodes) {
      for (const rule of rules) await bench.onNode(node, ["iptables-nft", "-t", "raw", verb, ...rule]);
    }
  };
  await run("-A");
  return undoBy(() => run("-D"));
}

/** What is to be undone at the end of an arm. */
export function undoBy(undo: () => Promise<void>): AsyncDisposable {
  const stack = new AsyncDisposableStack();
  stack.defer(undo);
  return stack;
}
