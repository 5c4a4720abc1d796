import test from "ava";
import { desiredRules, type DesiredRules } from "../../../../agent/netfilter/desired-rules.ts";
import { KernelWatch } from "../../../../agent/netfilter/kernel-watch.ts";
import { Netfilter } from "../../../../agent/netfilter/netfilter.ts";
import { nodeView } from "../../../../agent/netfilter/node-view.ts";
import type { TableSnapshot } from "../../../../protocol/table.ts";
import { TableState } from "../../../../routing/table-state.ts";
import { CollectingLog } from "../../../support/collecting-log.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { FakeNetfilterHost } from "../../../support/fake-netfilter-host.ts";
import { testNode, testTable, testWorkload } from "../../../support/test-tables.ts";

/** A Service with an endpoint on node-2 and, if wanted, on this node. */
function table(localEndpoint: boolean): TableSnapshot {
  const endpoint = (name: string) => ({
    key: `shop/web|shop/${name}`,
    service: "shop/web",
    workload: `shop/${name}`,
    ports: { 80: 8080 },
    weight: 100,
  });
  return testTable({
    nodes: [testNode("node-1", { agent: true }), testNode("node-2", { agent: true, podCidrs: ["10.244.2.0/24"] })],
    workloads: [
      testWorkload("shop/here", { addresses: ["10.244.1.5"] }),
      testWorkload("shop/there", { node: "node-2", addresses: ["10.244.2.5"] }),
    ],
    services: [
      {
        key: "shop/web",
        namespace: "shop",
        name: "web",
        clusterIps: ["10.96.0.1"],
        ports: [{ name: "http", port: 80, protocol: "TCP" }],
      },
    ],
    endpoints: [endpoint("there"), ...(localEndpoint ? [endpoint("here")] : [])],
  });
}

function rules(localEndpoint = true, outboundPort = 4001): DesiredRules {
  const view = nodeView(new TableState(table(localEndpoint)), "node-1");
  return desiredRules(view, { outboundPort, inboundPort: 4002 });
}

function netfilterOn(host: FakeNetfilterHost, backend: "nft" | "legacy" | "auto" = "nft"): Netfilter {
  return new Netfilter({ run: host.run, log: new CollectingLog(), backend, sleep: async () => {} });
}

test("apply ends in the wanted state, whatever was there, and then has nothing to do", async (t) => {
  const host = new FakeNetfilterHost();
  const netfilter = netfilterOn(host);
  await netfilter.apply(rules(false, 5001));
  await netfilter.apply(rules());
  const state = host.state();
  t.true(await netfilter.isIntact(rules()));

  const fresh = new FakeNetfilterHost();
  await netfilterOn(fresh).apply(rules());
  t.is(fresh.state(), state);

  host.commands.length = 0;
  await netfilter.apply(rules());
  t.deepEqual(host.commands, []);
});

test("mangle, which decides, is written after everything that it leads to, and taken away before", async (t) => {
  const host = new FakeNetfilterHost();
  const written: string[] = [];
  host.before = (argv) => {
    if (argv[0] === "iptables-nft-restore") written.push("table");
    else if (argv.includes("restore")) written.push("sets");
    else if (argv.includes("add")) written.push("rule");
    return undefined;
  };
  const netfilter = netfilterOn(host);
  await netfilter.apply(rules());
  t.deepEqual(written, ["sets", "table", "table", "sets", "rule", "rule", "rule", "rule", "rule", "rule", "table"]);
  t.deepEqual([...host.tables("iptables-nft").keys()], ["nat", "filter", "mangle"]);

  const left: string[] = [];
  host.before = (argv) => {
    const tables = [...host.tables("iptables-nft")].filter(([, chains]) => chains.has("HAWSER-CREATED"));
    if (argv[0] === "iptables-nft-restore") left.push(tables.map(([name]) => name).join(" "));
    return undefined;
  };
  await netfilter.remove();
  t.deepEqual(left, ["nat filter mangle", "nat filter", "nat"]);
  t.is(host.tables("iptables-nft").size + host.sets.size + (host.rules["4"]?.length ?? 0), 0);
});

test("a Service that loses its local share keeps its translation until nobody is sent there", async (t) => {
  const host = new FakeNetfilterHost();
  const netfilter = netfilterOn(host);
  await netfilter.apply(rules(true));
  const seen: string[] = [];
  host.before = (argv) => {
    const split = host.sets.get("hawser-split4")?.entries.size ?? 0;
    const translations = host.tables("iptables-nft").get("nat")?.get("HAWSER-SERVICES")?.length ?? 0;
    seen.push(`${argv[0]}: ${split} split, ${translations} translated`);
    return undefined;
  };
  await netfilter.apply(rules(false));
  t.false(
    seen.some((line) => line.endsWith("1 split, 0 translated")),
    seen.join("\n"),
  );
  t.is(host.tables("iptables-nft").get("nat")?.get("HAWSER-SERVICES")?.length, 0);
});

test("remove leaves what it found, in both back ends, and creates nothing", async (t) => {
  const host = new FakeNetfilterHost();
  const mangle = host.addTable("iptables-legacy", "mangle");
  mangle.set("PREROUTING", ["-m comment --comment HAWSER-PREROUTING -j FOREIGN"]).set("FOREIGN", []);
  host.sets.set("foreign", { options: "hash:ip family inet maxelem 65536", entries: new Set(["10.0.0.1"]) });
  host.rules["4"] = ["0:\tfrom all lookup local", "150:\tfrom all fwmark 0x1 lookup 7"];
  await netfilterOn(host).remove();
  const before = host.state();
  await netfilterOn(host, "legacy").apply(rules());
  t.not(host.state(), before);
  await netfilterOn(host, "nft").remove();
  // Tables of the legacy back end cannot be deleted.
  host.tables("iptables-legacy").delete("nat");
  host.tables("iptables-legacy").delete("filter");
  for (const name of ["nat", "filter", "mangle"]) host.tables("ip6tables-legacy").delete(name);
  t.is(host.state(), before);
});

test("what an agent left in the other back end goes as soon as the rules are in this one", async (t) => {
  const host = new FakeNetfilterHost();
  await netfilterOn(host, "legacy").apply(rules());
  await netfilterOn(host, "nft").apply(rules());
  const left = [...(host.tables("iptables-legacy").get("mangle")?.keys() ?? [])];
  t.deepEqual(
    left.filter((chain) => chain.startsWith("HAWSER")),
    [],
  );
});

test("a table that changes between look and write is looked at again", async (t) => {
  const host = new FakeNetfilterHost();
  await netfilterOn(host).apply(rules());
  const mangle = () => host.tables("iptables-nft").get("mangle")?.get("PREROUTING");
  mangle()?.unshift("-j FOREIGN");
  let writes = 0;
  host.before = (argv) => {
    if (argv[0] !== "iptables-nft-restore") return undefined;
    writes += 1;
    // nat and filter were first. Somebody flushes just now: the jump that we are about to delete is gone.
    if (writes === 3) mangle()?.splice(0);
    return undefined;
  };
  const netfilter = netfilterOn(host);
  await netfilter.apply(rules(true, 5001));
  t.is(writes, 4);
  t.true(await netfilter.isIntact(rules(true, 5001)));
});

test("a failure is reported, and the next apply starts from what the kernel has", async (t) => {
  const host = new FakeNetfilterHost();
  const netfilter = netfilterOn(host);
  await netfilter.apply(rules(false));
  host.before = (argv) => (argv[0] === "ipset" && argv.includes("restore") ? "Out of memory" : undefined);
  await t.throwsAsync(netfilter.apply(rules()), { code: "command-failed", message: /ipset.*Out of memory/ });
  host.before = () => undefined;
  t.false(await netfilter.isIntact(rules()));
  await netfilter.apply(rules());
  t.true(await netfilter.isIntact(rules()));
});

test("calls run one after another", async (t) => {
  const host = new FakeNetfilterHost();
  const netfilter = netfilterOn(host);
  await Promise.all([
    netfilter.apply(rules(false)),
    netfilter.apply(rules()),
    netfilter.remove(),
    netfilter.apply(rules()),
  ]);
  t.true(await netfilter.isIntact(rules()));
});

test("damage is named, and apply repairs it", async (t) => {
  const host = new FakeNetfilterHost();
  const netfilter = netfilterOn(host);
  await netfilter.apply(rules());
  const sound = host.state();
  const nat = () => host.tables("iptables-nft").get("nat");
  const damages: readonly (readonly [RegExp, () => unknown])[] = [
    [/table mangle \(IPv6\)/, () => host.tables("ip6tables-nft").delete("mangle")],
    [/table nat \(IPv4\)/, () => nat()?.get("PREROUTING")?.unshift("-j KUBE-SERVICES")],
    [/IPv4/, () => nat()?.get("HAWSER-PREROUTING")?.pop()],
    [/hawser-local4 has 0 entries instead of 1/, () => host.sets.get("hawser-local4")?.entries.clear()],
    [/ipset hawser-vip6 is missing/, () => host.sets.delete("hawser-vip6")],
    [/ip -4 rule 150 is missing/, () => host.rules["4"]?.splice(1, 1)],
    [/ip -6 route/, () => host.routes["6"]?.splice(0)],
  ];
  for (const [message, damage] of damages) {
    damage();
    t.regex((await netfilter.findDamage(rules())) ?? "nothing", message);
    await netfilter.apply(rules());
    t.is(await netfilter.findDamage(rules()), undefined, message.source);
    nat()?.set(
      "PREROUTING",
      nat()
        ?.get("PREROUTING")
        ?.filter((rule) => rule !== "-j KUBE-SERVICES") ?? [],
    );
  }
  t.is(sortedLines(host.state()), sortedLines(sound));
});

test("without IPv6 only IPv4 is written, and it is said", async (t) => {
  const host = new FakeNetfilterHost();
  host.ipv6 = false;
  const log = new CollectingLog();
  const netfilter = new Netfilter({ run: host.run, log, backend: "nft" });
  await netfilter.apply(rules());
  t.is(host.tables("ip6tables-nft").size, 0);
  t.false([...host.sets.keys()].some((name) => name.endsWith("6")));
  t.true(log.events.includes("netfilter-without-ipv6"));
  t.true(await netfilter.isIntact(rules()));
});

test("a set that somebody else's rule uses is reported by name", async (t) => {
  const host = new FakeNetfilterHost();
  const netfilter = netfilterOn(host);
  await netfilter.apply(rules());
  host.tables("iptables-nft").get("filter")?.get("INPUT")?.push("-m set --match-set hawser-local4 src -j LOG");
  await t.throwsAsync(netfilter.remove(), { code: "set-in-use", message: /hawser-local4/ });
});

/** A watch on a fake host, that sees all of it. */
function watchOn(host: FakeNetfilterHost, clock = new FakeClock()): KernelWatch {
  const read = () => ({
    tables: JSON.stringify(
      ["iptables-nft", "ip6tables-nft"].map((program) =>
        [...host.tables(program)].map(([name, chains]) => [name, ...chains]),
      ),
    ),
    sets: new Map([...host.sets].map(([name, { entries }]) => [name, entries.size])),
    routing: JSON.stringify([host.rules, host.routes]),
  });
  return new KernelWatch({ read, clock, log: new CollectingLog(), count: () => {} });
}

test("with a watch, a check of rules that nobody has touched starts no program", async (t) => {
  const host = new FakeNetfilterHost();
  const options = { run: host.run, log: new CollectingLog(), backend: "nft", sleep: async () => {} } as const;
  const netfilter = new Netfilter({ ...options, watch: watchOn(host) });
  const wanted = rules();
  const commandsOf = async (check: Promise<unknown>): Promise<number> => {
    const before = host.commands.length;
    t.is(await check, undefined);
    return host.commands.length - before;
  };
  await netfilter.apply(wanted);
  t.is(await commandsOf(netfilter.findDamage(wanted)), 7, "the first check compares");
  t.is(await commandsOf(netfilter.findDamage(wanted)), 0);
  t.is(await commandsOf(netfilter.findDamage(rules())), 7, "other rules than those applied");

  const foreign = host.addTable("iptables-nft", "raw");
  t.is(await commandsOf(netfilter.findDamage(wanted)), 7, "somebody changed something of his own");
  t.is(await commandsOf(netfilter.findDamage(wanted)), 0);
  foreign.set("FOREIGN", []);
  host.rules["4"]?.splice(1, 1);
  t.regex((await netfilter.findDamage(wanted)) ?? "", /ip -4 rule 150 is missing/);
  await netfilter.apply(wanted);
  t.is(await commandsOf(netfilter.findDamage(wanted)), 7, "after damage everything is compared");
});

test("with a watch, a failed apply is followed by a full check", async (t) => {
  const host = new FakeNetfilterHost();
  const netfilter = new Netfilter({
    run: host.run,
    log: new CollectingLog(),
    backend: "nft",
    watch: watchOn(host),
  });
  const wanted = rules();
  await netfilter.apply(wanted);
  await netfilter.findDamage(wanted);
  host.before = (argv) => (argv.includes("restore") ? "Out of memory" : undefined);
  await t.throwsAsync(netfilter.apply(rules(false)));
  host.before = () => undefined;
  t.not(await netfilter.findDamage(wanted), undefined);
});

/** Order of sets and tables is history. */
function sortedLines(text: string): string {
  return text.split("\n").sort().join("\n");
}
