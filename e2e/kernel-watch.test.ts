/** What the kernel tells of changes to our rules, against a real kernel: nothing is missed, and nothing is made up. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import test, { type ExecutionContext } from "ava";
import type { BackendName } from "../agent/netfilter/back-end.ts";
import { desiredRules } from "../agent/netfilter/desired-rules.ts";
import { DELIVER_PREFERENCE, DELIVER_TABLE } from "../agent/netfilter/marks.ts";
import { Netfilter } from "../agent/netfilter/netfilter.ts";
import { nodeView } from "../agent/netfilter/node-view.ts";
import { TableState } from "../routing/table-state.ts";
import { CollectingLog } from "../test/support/collecting-log.ts";
import { testNode, testTable, testWorkload } from "../test/support/test-tables.ts";
import { NetworkNamespaces } from "./support/network-namespaces.ts";

interface Look {
  readonly error?: string;
  readonly tables: string;
  readonly sets: Readonly<Record<string, number>>;
  readonly routing: string;
}

const PROGRAM = [process.execPath, path.resolve(import.meta.dirname, "pods/watch-kernel.ts")];
const POD = "10.244.1.5";
const TABLE = testTable({
  nodes: [testNode("node-1", { agent: true }), testNode("node-2", { agent: true, podCidrs: ["10.244.2.0/24"] })],
  workloads: [testWorkload("shop/here", { addresses: [POD] }), testWorkload("shop/there", { node: "node-2" })],
});
const RULES = desiredRules(nodeView(new TableState(TABLE), "node-1"), { outboundPort: 4001, inboundPort: 4002 });

/** What others may do to our rules -> the part of a look that shows it. */
const DAMAGES: readonly (readonly [keyof Look, string, (readonly BackendName[])?])[] = [
  ["tables", "iptables-$BACKEND -t mangle -D PREROUTING 1"],
  ["tables", "iptables-$BACKEND -t mangle -I PREROUTING -j ACCEPT"],
  ["tables", "iptables-$BACKEND -t mangle -F PREROUTING"],
  ["tables", "iptables-$BACKEND -t mangle -F"],
  ["tables", "iptables-$BACKEND -t mangle -D HAWSER-PREROUTING 1"],
  ["tables", "ip6tables-$BACKEND -t mangle -F HAWSER-PREROUTING"],
  ["tables", "iptables-$BACKEND -t nat -F PREROUTING"],
  ["tables", "ip6tables-$BACKEND -t filter -F"],
  ["tables", "iptables-$BACKEND -t mangle -R HAWSER-PREROUTING 1 -p udp -j ACCEPT"],
  ["tables", "nft flush chain ip mangle HAWSER-PREROUTING", ["nft"]],
  ["tables", "nft flush ruleset", ["nft"]],
  ["sets", "ipset add hawser-local4 10.244.1.77"],
  ["sets", `ipset del hawser-local4 ${POD}`],
  ["sets", "ipset flush hawser-local4"],
  ["sets", "ipset flush"],
  ["sets", "ipset swap hawser-local4 hawser-outside4"],
  [
    "sets",
    `for table in mangle nat filter; do iptables-$BACKEND -t $table -F; ip6tables-$BACKEND -t $table -F; done
     # nftables frees rules, and with them sets, in the background.
     until ipset destroy hawser-skipport; do sleep 0.02; done`,
  ],
  ["routing", `ip rule del pref ${DELIVER_PREFERENCE}`],
  ["routing", `ip -6 rule del pref ${DELIVER_PREFERENCE}`],
  ["routing", `ip rule add pref ${DELIVER_PREFERENCE} fwmark 0x1/0x1 lookup main`],
  ["routing", "ip rule flush"],
  ["routing", `ip route del local default dev lo table ${DELIVER_TABLE}`],
  ["routing", `ip -6 route flush table ${DELIVER_TABLE}`],
  ["routing", `ip route replace blackhole default table ${DELIVER_TABLE}`],
];

/** What others do on a node all day, and is none of our business. */
const EVERYDAY = [
  "ip rule add pref 3000 fwmark 0x1/0x1 lookup main; ip rule del pref 3000",
  "ip route add 10.99.0.0/16 dev lo; ip -6 route add fd99::/64 dev lo; ip route add 10.98.0.0/16 dev lo table 77",
  "ipset create foreign hash:ip; ipset add foreign 10.0.0.1; ipset destroy foreign",
  "ip link add pod0 type veth; ip addr add 10.97.0.1/24 dev pod0; ip link set pod0 up; ip link del pod0",
  "iptables-nft-save; iptables-legacy-save; ipset list; ip rule; ip route show table all",
  // Counters of rules count.
  "bash -c 'echo hello > /dev/udp/127.0.0.1/9'",
];

const support = await NetworkNamespaces.open();
const skipped = typeof support === "string" ? support : undefined;
if (typeof support !== "string") await support[Symbol.asyncDispose]();

for (const backend of ["nft", "legacy"] as const) {
  story(`${backend}: every foreign change is seen`, async (t, node) => {
    const netfilter = node.netfilter(backend);
    for (const [part, script, backends = ["nft", "legacy"]] of DAMAGES) {
      if (!backends.includes(backend)) continue;
      await netfilter.apply(RULES);
      const before = await node.look(backend);
      t.is(before.error, undefined);
      await node.damage(backend, script);
      const after = await node.look(backend);
      t.notDeepEqual(after[part], before[part], script);
      await netfilter.findDamage(RULES);
    }
  });

  story(`${backend}: nothing is seen where nothing has changed`, async (t, node) => {
    const netfilter = node.netfilter(backend);
    await netfilter.apply(RULES);
    const before = await node.look(backend);
    const sizes = RULES.sets.map((set) => [set.name, set.entries.size]);
    t.deepEqual(before.sets, Object.fromEntries(sizes), "the sets are those we made, and no others");
    for (const script of EVERYDAY) {
      await node.namespaces.sh(script);
      t.deepEqual(await node.look(backend), before, script);
    }
    t.is(await netfilter.findDamage(RULES), undefined);
    t.deepEqual(await node.look(backend), before, "our own check");
    await netfilter.apply(RULES);
    t.deepEqual(await node.look(backend), before, "applying what is applied");
  });
}

story("legacy: one rule for another of the same size is left to the full check", async (t, node) => {
  const netfilter = node.netfilter("legacy");
  await netfilter.apply(RULES);
  const before = await node.look("legacy");
  await node.namespaces.sh(`
    rule=$(iptables-legacy -t mangle -S HAWSER-PREROUTING 1 | sed 's/^-A HAWSER-PREROUTING//; s/--comment "[^"]*"/--comment another/')
    iptables-legacy -t mangle -R HAWSER-PREROUTING 1 $rule`);
  t.deepEqual(await node.look("legacy"), before);
  t.not(await netfilter.findDamage(RULES), undefined);
});

story("without the right to ask, there is an error and no answer", async (t, node) => {
  const { stdout } = await node.namespaces.run()(["setpriv", "--bounding-set=-all", "--inh-caps=-all", ...PROGRAM], {
    input: "nft\n",
  });
  t.regex((JSON.parse(stdout) as Look).error ?? "", /nft generation.*EPERM.*CAP_NET_ADMIN/);
});

/** A namespace with the rules of an agent in it, and a process that looks at them from inside. */
class WatchedNode implements AsyncDisposable {
  readonly namespaces: NetworkNamespaces;
  readonly #watcher: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(namespaces: NetworkNamespaces) {
    this.namespaces = namespaces;
    const [program = "", ...argv] = namespaces.inside(PROGRAM);
    this.#watcher = spawn(program, argv, { stdio: "pipe" });
    this.#lines = createInterface({ input: this.#watcher.stdout })[Symbol.asyncIterator]();
  }

  static async open(): Promise<WatchedNode> {
    const namespaces = await NetworkNamespaces.open();
    if (typeof namespaces === "string") throw new Error(namespaces);
    return new WatchedNode(namespaces);
  }

  netfilter(backend: BackendName): Netfilter {
    return new Netfilter({ run: this.namespaces.run(), log: new CollectingLog(), backend });
  }

  async look(backend: BackendName): Promise<Look> {
    this.#watcher.stdin.write(`${backend}\n`);
    const { value } = (await this.#lines.next()) as { readonly value: string };
    return JSON.parse(value) as Look;
  }

  async damage(backend: BackendName, script: string): Promise<void> {
    await this.namespaces.sh(`BACKEND=${backend}\n${script}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watcher.stdin.end();
    if (this.#watcher.exitCode === null) await once(this.#watcher, "close");
    await this.namespaces[Symbol.asyncDispose]();
  }
}

function story(title: string, run: (t: ExecutionContext, node: WatchedNode) => Promise<void>): void {
  if (skipped !== undefined) {
    test.skip(`${title} (no namespaces: ${skipped})`, () => {});
    return;
  }
  test.serial(title, async (t) => {
    await using node = await WatchedNode.open();
    await run(t, node);
  });
}
