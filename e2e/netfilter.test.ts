/**
 * The rules against a real kernel: one node in a private network namespace, with pods and "the rest of the world" in
 * namespaces of their own. The agent is a stand-in that listens and dials as the real one does.
 *
 *   a 10.244.1.10 (mesh)  ─┐                       ┌─ 10.244.2.20 (mesh)   10.244.2.21 (outside the mesh)
 *   b 10.244.1.11 (mesh)  ─┤ node 1 ── 192.168.9 ──┤  10.244.2.99 (in no table)   10.244.2.1, 192.168.9.2 (node 2 itself)
 *   x 10.244.1.12 (outside)┘                       └  all in the namespace `other`, port 8080
 */
import test, { type ExecutionContext } from "ava";
import { DELIVER_TABLE, Marks } from "../agent/netfilter/marks.ts";
import { desiredRules, type DesiredRules } from "../agent/netfilter/desired-rules.ts";
import { AGENT_ADDRESS, OUTBOUND_PORTS } from "../agent/sockets/agent-address.ts";
import { describeRules } from "../agent/netfilter/describe-rules.ts";
import { Netfilter } from "../agent/netfilter/netfilter.ts";
import type { InterceptMode } from "../agent/netfilter/intercept-mode.ts";
import { guardView, type NodeView, nodeView } from "../agent/netfilter/node-view.ts";
import type { MeshSettings, TableSnapshot, WorkloadEntry } from "../protocol/table.ts";
import { TableState } from "../routing/table-state.ts";
import { CollectingLog } from "../test/support/collecting-log.ts";
import { testMesh, testNode, testTable, testWorkload } from "../test/support/test-tables.ts";
import { type Connected, NetworkNamespaces, type RemoteSockets } from "./support/network-namespaces.ts";

const A = "10.244.1.10";
const B = "10.244.1.11";
const REMOTE = "10.244.2.20";
const REMOTE_OUTSIDE = "10.244.2.21";
const REMOTE_UNKNOWN = "10.244.2.99";
const VIP = "10.96.0.10";
const A6 = "fd00:244:1::10";
const REMOTE6 = "fd00:244:2::20";
const VIP6 = "fd00:96::10";

const BACKENDS = ["nft", "legacy"] as const;

const support = await NetworkNamespaces.open();
const skipped = typeof support === "string" ? `no namespaces: ${support}` : undefined;
const BRIDGE_NETFILTER = "/proc/sys/net/bridge/bridge-nf-call-iptables";
let withoutBridgeNetfilter: string | undefined;
if (typeof support !== "string") {
  const { exitCode } = await support.run()(["test", "-e", BRIDGE_NETFILTER]);
  if (exitCode !== 0) withoutBridgeNetfilter = "this kernel has no br_netfilter";
  await support[Symbol.asyncDispose]();
}

interface WorldOptions {
  /** Back end of the rules that are not ours. Default nft. */
  readonly kubeProxy?: "nft" | "legacy";
  /** Default routed. */
  readonly pods?: PodNetwork;
}

/**
 * How network plugins connect pods: by veths that the host routes to, intercepted by TPROXY; or by a bridge with br_netfilter,
 * where TPROXY cannot work and connections are redirected.
 */
type PodNetwork = "routed" | "bridged";

/** A test in a world of its own; skipped, and said so, where namespaces are not permitted. */
function story(
  title: string,
  run: (t: ExecutionContext, world: World) => Promise<void>,
  options: WorldOptions = {},
): void {
  const reason = skipped ?? (options.pods === "bridged" ? withoutBridgeNetfilter : undefined);
  if (reason !== undefined) {
    test.skip(`${title} (${reason})`, () => {});
    return;
  }
  // One at a time: each world starts five processes.
  test.serial(title, async (t) => {
    await using world = await World.open(options);
    await run(t, world);
  });
}

/** The same promise, kept in either of two ways. */
function storyOfBoth(
  title: string,
  run: (t: ExecutionContext, world: World) => Promise<void>,
  options: WorldOptions = {},
): void {
  story(title, run, options);
  story(`bridged pods: ${title}`, run, { ...options, pods: "bridged" });
}

class World implements AsyncDisposable {
  readonly log = new CollectingLog();
  readonly namespaces: NetworkNamespaces;
  readonly a: RemoteSockets;
  readonly b: RemoteSockets;
  readonly x: RemoteSockets;
  readonly other: RemoteSockets;
  readonly host: RemoteSockets;
  agent: RemoteSockets;
  ports = { outboundPort: 0, inboundPort: 0 };
  readonly pods: PodNetwork;

  private constructor(namespaces: NetworkNamespaces, pods: PodNetwork, sockets: readonly RemoteSockets[]) {
    this.namespaces = namespaces;
    this.pods = pods;
    const [a, b, x, other, host, agent] = sockets as [
      RemoteSockets,
      RemoteSockets,
      RemoteSockets,
      RemoteSockets,
      RemoteSockets,
      RemoteSockets,
    ];
    Object.assign(this, { a, b, x, other, host });
    this.a = a;
    this.b = b;
    this.x = x;
    this.other = other;
    this.host = host;
    this.agent = agent;
  }

  static async open({ kubeProxy = "nft", pods = "routed" }: WorldOptions): Promise<World> {
    const namespaces = await NetworkNamespaces.open();
    if (typeof namespaces === "string") throw new Error(namespaces);
    await namespaces.sh(`BACKEND=${kubeProxy}\n${WORLD_SCRIPT}`);
    if (pods === "bridged") await namespaces.sh(BRIDGE_SCRIPT);
    const names = ["a", "b", "x", "other", undefined, undefined];
    const world = new World(namespaces, pods, await Promise.all(names.map((name) => namespaces.sockets(name))));
    await Promise.all([world.a.listen("a", 8080), world.b.listen("b", 8080), world.x.listen("x", 8080)]);
    await Promise.all([world.other.listen("other", 8080), world.other.listen("excluded", 9090)]);
    await world.#listenAsAgent();
    return world;
  }

  netfilter(backend: "nft" | "legacy" = "nft", onCommand: (argv: readonly string[]) => void = () => {}): Netfilter {
    const run = this.namespaces.run();
    const counting: typeof run = (argv, options) => {
      onCommand(argv);
      return run(argv, options);
    };
    return new Netfilter({ run: counting, log: this.log, backend });
  }

  rules(table: TableSnapshot): DesiredRules {
    return this.rulesOf(nodeView(new TableState(table), "node-1"));
  }

  rulesOf(view: NodeView, intercept: InterceptMode = this.pods === "bridged" ? "redirect" : "tproxy"): DesiredRules {
    return desiredRules(view, { ...this.ports, intercept });
  }

  /** SIGKILL, then a new process with new ports. */
  async crashAgent(): Promise<void> {
    await this.agent.kill();
  }

  async startAgent(): Promise<void> {
    this.agent = await this.namespaces.sockets();
    await this.#listenAsAgent();
  }

  async #listenAsAgent(): Promise<void> {
    const [outbound, inbound] = await Promise.all([
      this.agent.listenAsAgent("outbound", { mark: Marks.own, ports: OUTBOUND_PORTS }),
      this.agent.listenAsAgent("inbound", { mark: Marks.own, ports: 1 }),
    ]);
    this.ports = { outboundPort: outbound.port, inboundPort: inbound.port };
  }

  /** Packets with payload between pods of different nodes, as the other end of the wire saw them. */
  async clearPackets(): Promise<number> {
    const text = await this.namespaces.sh("iptables-nft -t raw -L PREROUTING -v -x -n | grep clear-text", "other");
    return Number(text.trim().split(/\s+/)[0]);
  }

  /**
   * How a client of a ClusterIP sees that strict encryption refuses what kube-proxy chose. Inside a bridge the kernel sends the
   * reset as it stands (nf_send_reset), from kube-proxy's choice, which the client does not know: to it, silence.
   */
  refusalOfTranslated(reset: string): string {
    return this.pods === "bridged" ? "timeout" : reset;
  }

  async hostState(): Promise<string> {
    return this.namespaces.sh(`
      for tables in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do
        $tables-save | grep -v '^#' | sed 's/ \\[[0-9]*:[0-9]*\\]$//'
      done
      ipset save; ip -4 rule; ip -6 rule; ip -4 route show table all | sort; ip -6 route show table all | sort
      nft list tables`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.namespaces[Symbol.asyncDispose]();
  }
}

/** Routed veths, as most network plugins have them; every address may be used at once (nodad). */
const WORLD_SCRIPT = `
  mkdir -p /run/netns
  link() { # name, addresses...
    name=$1; shift
    ip netns add $name
    ip link add v$name type veth peer name eth0 netns $name
    ip -n $name link set lo up; ip -n $name link set eth0 up; ip link set v$name up
    ip addr add 169.254.1.1/32 dev v$name; ip -6 addr add fe80::1/64 dev v$name nodad
    for address in "$@"; do ip -n $name addr add $address dev eth0 nodad; ip route replace $address dev v$name; done
    ip -n $name route add 169.254.1.1 dev eth0
    ip -n $name route add default via 169.254.1.1 dev eth0
    ip -n $name -6 route add default via fe80::1 dev eth0
  }
  # No link-local addresses that come by themselves, some time later.
  sysctl -qw net.ipv6.conf.default.addr_gen_mode=1 net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  link a ${A}/32 ${A6}/128
  link b ${B}/32
  link x 10.244.1.12/32
  link other 192.168.9.2/32 10.244.2.1/32 ${REMOTE}/32 ${REMOTE_OUTSIDE}/32 ${REMOTE_UNKNOWN}/32 ${REMOTE6}/128
  ip addr add 192.168.9.1/32 dev vother
  ip netns exec other iptables-nft -t raw -A PREROUTING -p tcp -s 10.244.1.0/24 ! -d 10.244.2.21 ! --sport 15008 ! --syn -m length --length 53: -m comment --comment clear-text
  # A host that other programs use: kube-proxy, a firewall, an administrator.
  for family in iptables ip6tables; do for kind in nft legacy; do $family-$kind-restore <<RULES
*mangle
:FOREIGN - [0:0]
-A PREROUTING -m comment --comment "somebody else, not HAWSER-PREROUTING" -j FOREIGN
COMMIT
*nat
:KUBE-SERVICES - [0:0]
COMMIT
*filter
:FOREIGN - [0:0]
-A FORWARD -j FOREIGN
COMMIT
RULES
  done; done
  iptables-$BACKEND -t nat -A PREROUTING -j KUBE-SERVICES
  iptables-$BACKEND -t nat -A KUBE-SERVICES -d ${VIP}/32 -p tcp --dport 80 -j DNAT --to-destination ${REMOTE}:8080
  ipset create foreign hash:ip; ipset add foreign 10.0.0.1
  ip rule add pref 200 fwmark 0x1 lookup main
`;

/** The pods of this node move to a bridge, and know that they are neighbours. */
const BRIDGE_SCRIPT = `
  ip link add pods address 02:68:61:77:73:01 type bridge forward_delay 0 mcast_snooping 0; ip link set pods up
  ip addr add 169.254.1.1/32 dev pods; ip -6 addr add fe80::1/64 dev pods nodad
  for name in a b x; do
    ip addr flush dev v$name; ip link set v$name master pods; ip link set v$name type bridge_slave hairpin on
    ip -n $name route add 10.244.1.0/24 dev eth0
  done
  for address in ${A} ${B} 10.244.1.12 ${A6}; do ip route replace $address dev pods; done
  for family in iptables ip6tables arptables; do echo 1 > /proc/sys/net/bridge/bridge-nf-call-$family; done
`;

const MESH: MeshSettings = { ...testMesh, exclude: { ports: [9090], cidrs: [], namespaces: [] } };

function pod(
  name: string,
  node: string,
  addresses: readonly string[],
  fields: Partial<WorkloadEntry> = {},
): WorkloadEntry {
  return testWorkload(`shop/${name}`, { node, addresses, ...fields });
}

/** `backends`: the pods behind the Service `shop/web` (port 80 -> 8080), with weights. */
function table(
  backends: Readonly<Record<string, number>> = { remote: 100 },
  mesh: Partial<MeshSettings> = {},
  states: Readonly<Record<string, WorkloadEntry["state"]>> = {},
): TableSnapshot {
  return testTable({
    mesh: { ...MESH, ...mesh },
    nodes: [
      testNode("node-1", { agent: true, addresses: ["192.168.9.1"], podCidrs: ["10.244.1.0/24", "fd00:244:1::/64"] }),
      testNode("node-2", { agent: true, addresses: ["192.168.9.2"], podCidrs: ["10.244.2.0/24", "fd00:244:2::/64"] }),
    ],
    workloads: [
      pod("a", "node-1", [A, A6], { state: states["a"] ?? "ready" }),
      pod("b", "node-1", [B], { state: states["b"] ?? "ready" }),
      pod("x", "node-1", ["10.244.1.12"], { mesh: false }),
      pod("remote", "node-2", [REMOTE, REMOTE6]),
      pod("remote-outside", "node-2", [REMOTE_OUTSIDE], { mesh: false }),
    ],
    services: [
      {
        key: "shop/web",
        namespace: "shop",
        name: "web",
        clusterIps: [VIP, VIP6],
        ports: [{ name: "http", port: 80, protocol: "TCP" }],
      },
    ],
    endpoints: Object.entries(backends).map(([name, weight]) => ({
      key: `shop/web|shop/${name}`,
      service: "shop/web",
      workload: `shop/${name}`,
      ports: { 80: 8080 },
      weight,
    })),
  });
}

/** `server local peer`, without ports. */
function seen({ outcome, greeting }: Connected): string {
  if (greeting === undefined) return outcome;
  const [label, local, , peer] = greeting.split(" ");
  return `${label} ${local} ${peer}`;
}

for (const backend of BACKENDS) {
  storyOfBoth(`${backend}: applying is idempotent, removing leaves the host as it was`, async (t, world) => {
    const before = await world.hostState();
    const netfilter = world.netfilter(backend);
    await netfilter.apply(world.rules(table()));
    const applied = describeRules(await netfilter.dump());
    t.regex(applied, /HAWSER-PREROUTING/);

    await world.netfilter(backend).apply(world.rules(table()));
    t.is(describeRules(await netfilter.dump()), applied, "a second agent changes nothing");
    t.true((await world.hostState()).includes("somebody else, not HAWSER-PREROUTING"));

    await world.netfilter(backend).remove();
    t.is(await world.hostState(), before);
    await world.netfilter(backend).remove();
    t.is(await world.hostState(), before, "removing nothing creates nothing");
  });

  storyOfBoth(
    `${backend}: who is intercepted`,
    async (t, world) => {
      await world.netfilter(backend).apply(world.rules(table()));
      const { a, b, x, other, host } = world;
      t.is(seen(await a.connect(REMOTE, 8080)), `outbound ${REMOTE} ${A}`, "pod of another node");
      t.is(seen(await a.connect(REMOTE6, 8080)), `outbound ${REMOTE6} ${A6}`, "pod of another node, IPv6");
      t.is(seen(await a.connect(VIP, 80)), `outbound ${VIP} ${A}`, "ClusterIP, in spite of kube-proxy");
      t.is(seen(await a.connect(VIP6, 80)), `outbound ${VIP6} ${A6}`, "ClusterIP, IPv6");
      t.is(seen(await a.connect(B, 8080)), `b ${B} ${A}`, "same node: direct");
      t.is(seen(await a.connect(REMOTE_OUTSIDE, 8080)), `other ${REMOTE_OUTSIDE} ${A}`, "outside the mesh: direct");
      t.is(seen(await a.connect("192.168.9.2", 8080)), `other 192.168.9.2 ${A}`, "a node: direct");
      t.is(seen(await a.connect(REMOTE, 9090)), `excluded ${REMOTE} ${A}`, "excluded port: direct");
      t.is(seen(await x.connect(REMOTE, 8080)), `other ${REMOTE} 10.244.1.12`, "from outside the mesh: direct");
      t.is(seen(await host.connect(A, 8080)), `a ${A} 169.254.1.1`, "the host itself, as the kubelet's probes: direct");
      t.is(
        seen(await other.connect(A, 15008)),
        `inbound ${A} 169.254.1.1`.replace("169.254.1.1", "192.168.9.2"),
        "a tunnel",
      );
      t.is(seen(await b.connect(A, 15008)), `inbound ${A} ${B}`, "the tunnels' port, from a pod of this node");
      const data = await a.connect(REMOTE, 8080);
      t.is(await a.send(data.connection, "hello"), "data hello");
      t.is(await world.clearPackets(), 0);
    },
    { kubeProxy: backend },
  );
}

story("nft: tables that were not there before are not there afterwards", async (t, world) => {
  await world.namespaces.sh(
    "for family in ip ip6; do for t in mangle nat filter; do nft delete table $family $t || true; done; done",
  );
  const before = await world.hostState();
  const netfilter = world.netfilter("nft");
  await netfilter.apply(world.rules(table()));
  await netfilter.apply(world.rules(table({ b: 100 })));
  await netfilter.remove();
  t.is(await world.hostState(), before);
});

story("rules of a crashed agent in the other back end are replaced, and removed", async (t, world) => {
  const before = await world.hostState();
  await world.netfilter("legacy").apply(world.rules(table()));
  await world.crashAgent();
  await world.startAgent();
  await world.netfilter("nft").apply(world.rules(table()));
  t.false((await world.namespaces.sh("iptables-legacy-save")).includes(":HAWSER"));
  t.is(seen(await world.a.connect(REMOTE, 8080)), `outbound ${REMOTE} ${A}`);
  await world.netfilter("legacy").apply(world.rules(table()));
  await world.netfilter("nft").remove();
  t.is(await world.hostState(), before);
});

storyOfBoth(
  "a kube-proxy that translates before us takes the balancing away, not the encryption",
  async (t, world) => {
    await world.netfilter("nft").apply(world.rules(table()));
    const connected = await world.a.connect(VIP, 80);
    // Redirection is a translation itself, and of two in one hook the later registered one has its way: here it is ours.
    const dialled = world.pods === "bridged" ? VIP : REMOTE;
    t.is(seen(connected), `outbound ${dialled} ${A}`, "the agent sees what kube-proxy chose");
    t.is(await world.a.send(connected.connection, "hello"), "data hello");
    t.is(await world.clearPackets(), 0);
  },
  { kubeProxy: "legacy" },
);

storyOfBoth("strict: a Service with a share here never leaves in clear, whoever translates it", async (t, world) => {
  const netfilter = world.netfilter("nft");
  const rules = world.rules(table({ remote: 100, b: 100 }));
  await netfilter.apply(rules);
  t.is(seen(await world.a.connect(VIP, 80)), `b ${B} ${A}`);
  // Until the next check finds it: kube-proxy chooses, and it chose the other node.
  await world.namespaces.sh("iptables-nft -t nat -F HAWSER-SERVICES");
  t.is((await world.a.connect(VIP, 80)).outcome, world.refusalOfTranslated("ECONNREFUSED"));
  t.is(await world.clearPackets(), 0);
  t.false(await netfilter.isIntact(rules));
  await netfilter.apply(rules);
  t.is(seen(await world.a.connect(VIP, 80)), `b ${B} ${A}`);
});

storyOfBoth("the agent speaks to a local pod from a remote pod's address and port", async (t, world) => {
  await world.netfilter().apply(world.rules(table()));
  const from = { address: REMOTE, port: 45_678, mark: Marks.own };
  const dialled = await world.agent.connect(B, 8080, { from });
  t.is(dialled.greeting, `b ${B} 8080 ${REMOTE} 45678`);
  t.is(await world.agent.send(dialled.connection, "hello"), "data hello");
  // Neighbours on a bridge answer each other directly: there the agent speaks as itself, see OutboundConnection.
  if (world.pods === "bridged") return;
  const local = await world.agent.connect(B, 8080, { from: { address: A, port: 0, mark: Marks.own } });
  t.is(seen(local), `b ${B} ${A}`, "and from a local pod's");
  t.is(await world.agent.send(local.connection, "hello"), "data hello");
});

storyOfBoth("connections of the agent survive when conntrack forgets them", async (t, world) => {
  // Early demux would find the socket by itself, on most hosts; the rules must not need it.
  await world.namespaces.sh("sysctl -qw net.ipv4.ip_early_demux=0");
  await world.netfilter().apply(world.rules(table()));
  const outbound = await world.a.connect(VIP, 80);
  const inbound = await world.agent.connect(B, 8080, { from: { address: REMOTE, port: 0, mark: Marks.own } });
  await world.namespaces.sh("conntrack -F");
  t.is(await world.a.send(outbound.connection, "one"), "data one");
  t.is(await world.agent.send(inbound.connection, "one"), "data one");
  // Half-closed connections are forgotten after a minute; then it is the agent that speaks first.
  const late = await world.a.connect(REMOTE, 8080);
  await world.namespaces.sh("conntrack -F");
  t.is(await world.agent.sendFromServer("late answer", 300), "timeout");
  t.is(await world.a.send(late.connection, "thanks"), "data late answer");
  t.is(await world.a.send(late.connection, "more", 500), "timeout", "not answered, and not reset");
  t.is(await world.clearPackets(), 0);
});

storyOfBoth("an agent that dies leaves nothing in clear; the next one serves at once", async (t, world) => {
  const { a } = world;
  await world.netfilter().apply(world.rules(table()));
  const old = await a.connect(VIP, 80);
  const older = await a.connect(REMOTE, 8080);
  await world.crashAgent();
  t.is((await a.connect(VIP, 80, { timeoutMs: 500 })).outcome, "timeout", "no listener: dropped");
  t.is((await a.connect(REMOTE, 8080, { timeoutMs: 500 })).outcome, "timeout");
  await a.send(old.connection, "while it is dead", 300);
  const patient = world.b.connect(VIP, 80, { timeoutMs: 5_000 });
  await world.startAgent();
  await world.netfilter().apply(world.rules(table()));
  t.is(seen(await a.connect(VIP, 80)), `outbound ${VIP} ${A}`);
  t.is(seen(await patient), `outbound ${VIP} ${B}`, "a SYN that was dropped is sent again, and judged anew");
  t.not(await a.send(older.connection, "to nobody", 3_000), "timeout", "the old connection ends with a reset");
  t.is(await world.clearPackets(), 0);
});

storyOfBoth("with the agent dead, a pod's answer to a remote caller stays on the node", async (t, world) => {
  await world.netfilter().apply(world.rules(table()));
  const dialled = await world.agent.connect(B, 8080, { from: { address: REMOTE, port: 45_678, mark: Marks.own } });
  t.is(dialled.outcome, "connected");
  // The kernel would end the connection in the name of the dead process; that end gets lost.
  await world.namespaces.sh(`iptables-nft -t raw -A OUTPUT -p tcp -d ${B} -j DROP`);
  await world.crashAgent();
  const whileDead = world.pods === "bridged" ? /^ECONNRESET$/ : /^timeout$/;
  t.regex(
    await world.b.sendFromServer("still talking", 300),
    whileDead,
    "TPROXY drops, redirected ones are reset at once",
  );
  await world.namespaces.sh("iptables-nft -t raw -F OUTPUT");
  await world.startAgent();
  await world.netfilter().apply(world.rules(table()));
  // Closed: what b had said before was sent again, and the reset came before we looked.
  t.regex(await world.b.sendFromServer("anybody there", 3_000), /^(ECONNRESET|closed)$/);
  t.is(await world.clearPackets(), 0);
});

for (const rpFilter of [0, 1, 2]) {
  storyOfBoth(`reverse-path filter ${rpFilter}, with marks that come back`, async (t, world) => {
    await world.namespaces.sh(`
      for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo ${rpFilter} > $f; done
      sysctl -qw net.ipv4.conf.all.src_valid_mark=1 net.ipv4.tcp_fwmark_accept=1 net.ipv4.fwmark_reflect=1`);
    await world.netfilter().apply(world.rules(table()));
    t.is(seen(await world.a.connect(VIP, 80)), `outbound ${VIP} ${A}`);
    t.is(seen(await world.a.connect(REMOTE6, 8080)), `outbound ${REMOTE6} ${A6}`);
    const dialled = await world.agent.connect(B, 8080, { from: { address: REMOTE, port: 0, mark: Marks.own } });
    t.is(seen(dialled), `b ${B} ${REMOTE}`);
    t.is(seen(await world.other.connect(A, 15008)), `inbound ${A} 192.168.9.2`);
    t.is((await world.a.connect(REMOTE_UNKNOWN, 8080)).outcome, "ECONNREFUSED");
  });
}

story(
  "bridged pods: TPROXY's choice is lost: they get no answer, nothing goes in clear",
  async (t, world) => {
    const { a, namespaces } = world;
    const view = nodeView(new TableState(table()), "node-1");
    await world.netfilter().apply(world.rulesOf(view, "tproxy"));
    t.is((await a.connect(REMOTE, 8080, { timeoutMs: 400 })).outcome, "timeout");
    t.is(seen(await a.connect(B, 8080)), `b ${B} ${A}`);
    t.is(await world.clearPackets(), 0);
    await namespaces.sh(`echo 0 > ${BRIDGE_NETFILTER}`);
    t.is(seen(await a.connect(REMOTE, 8080)), `outbound ${REMOTE} ${A}`, "a bridge alone is no hindrance");
  },
  { pods: "bridged" },
);

for (const pods of ["routed", "bridged"] as const) {
  story(
    `${pods} pods: redirected connections and those of TPROXY outlive a change from one to the other`,
    async (t, world) => {
      const view = nodeView(new TableState(table()), "node-1");
      const netfilter = world.netfilter();
      // Inside a bridge TPROXY gets no connection that could live on.
      await netfilter.apply(world.rulesOf(view, pods === "routed" ? "tproxy" : "redirect"));
      const first = await world.a.connect(VIP, 80);
      await netfilter.apply(world.rulesOf(view, "redirect"));
      const second = await world.a.connect(VIP, 80);
      for (const { connection } of [first, second]) t.is(await world.a.send(connection, "hello"), "data hello");
      await netfilter.apply(world.rulesOf(view, "tproxy"));
      for (const { connection } of [first, second]) t.is(await world.a.send(connection, "again"), "data again");
      t.is(seen(second), `outbound ${VIP} ${A}`);
      t.is(await world.clearPackets(), 0);
    },
    { pods },
  );
}

story(
  "bridged pods: two agents side by side, each keeps the connections that were sent to it",
  async (t, world) => {
    await world.netfilter().apply(world.rules(table()));
    const old = await world.a.connect(VIP, 80);
    const older = world.agent;
    await world.startAgent();
    await world.netfilter().apply(world.rules(table()));
    const young = await world.a.connect(VIP, 80);
    for (const { connection } of [old, young]) t.is(await world.a.send(connection, "hello"), "data hello");
    await older.kill();
    t.not(await world.a.send(old.connection, "anybody there"), "data anybody there");
    t.is(await world.a.send(young.connection, "hello"), "data hello");
    t.is(seen(await world.a.connect(REMOTE6, 8080)), `outbound ${REMOTE6} ${A6}`);
  },
  { pods: "bridged" },
);

story(
  "bridged pods: a client keeps its port, however many destinations it uses it for, up to the listener's ports",
  async (t, world) => {
    await world.netfilter().apply(world.rules(table()));
    const ports: (string | undefined)[] = [];
    for (let index = 0; index <= OUTBOUND_PORTS; index += 1) {
      const { greeting } = await world.a.connect(REMOTE, 8_000 + index, { localPort: 34_567 });
      const [label, address, dialled, , clientPort] = greeting?.split(" ") ?? [];
      t.deepEqual([label, address, dialled], ["outbound", REMOTE, `${8_000 + index}`]);
      ports.push(clientPort);
    }
    t.deepEqual(new Set(ports.slice(0, OUTBOUND_PORTS)), new Set(["34567"]));
    t.not(ports[OUTBOUND_PORTS], "34567", "the kernel's choice, but served");
  },
  { pods: "bridged" },
);

storyOfBoth("nobody reaches the agent's address but by the rules", async (t, world) => {
  await world.netfilter().apply(world.rules(table()));
  // Also when the way to everywhere leads back here.
  for (const routes of ["true", "ip route add default dev vother; ip -6 route add default dev vother"]) {
    await world.namespaces.sh(routes);
    for (const from of [world.a, world.x, world.other, world.host, world.agent]) {
      for (const address of [AGENT_ADDRESS[4], AGENT_ADDRESS[6]]) {
        for (const port of [world.ports.outboundPort, world.ports.inboundPort]) {
          t.not((await from.connect(address, port, { timeoutMs: 100 })).outcome, "connected", `${address} ${port}`);
        }
      }
    }
  }
});

storyOfBoth("strict: clear text between nodes is refused, known pods or not", async (t, world) => {
  const { a, x, other } = world;
  const before = { a: await a.connect(REMOTE, 8080), vip: await a.connect(VIP, 80), x: await x.connect(REMOTE, 8080) };
  t.is(before.a.outcome, "connected");
  t.is(before.vip.outcome, "connected");
  const clear = await world.clearPackets();
  await world.netfilter().apply(world.rules(table()));
  t.is(await a.send(before.a.connection, "older than the mesh"), "ECONNRESET");
  const translated = await a.send(before.vip.connection, "older than the mesh, through kube-proxy");
  t.is(translated, world.refusalOfTranslated("ECONNRESET"));
  t.is(await world.clearPackets(), clear, "not one packet more");
  t.is(await x.send(before.x.connection, "outside the mesh"), "data outside the mesh");
  t.is((await a.connect(REMOTE_UNKNOWN, 8080)).outcome, "ECONNREFUSED", "a pod that is not in the table yet");

  await world.namespaces.sh("ip -n other route replace default via 169.254.1.1 dev eth0 src 10.244.2.20");
  t.is((await other.connect(A, 8080)).outcome, "ECONNREFUSED", "from a remote mesh pod without a tunnel");
  await world.namespaces.sh("ip -n other route replace default via 169.254.1.1 dev eth0 src 10.244.2.99");
  t.is((await other.connect(A, 8080)).outcome, "ECONNREFUSED", "from an unknown remote pod");
  for (const source of ["10.244.2.21", "192.168.9.2", "10.244.2.1"]) {
    await world.namespaces.sh(`ip -n other route replace default via 169.254.1.1 dev eth0 src ${source}`);
    t.is(seen(await other.connect(A, 8080)), `a ${A} ${source}`, "outside the mesh, a node, a node's tunnel device");
  }
});

storyOfBoth("strict: what a foreign firewall accepts before us is dropped", async (t, world) => {
  await world.netfilter().apply(world.rules(table()));
  await world.namespaces.sh("iptables-nft -I FORWARD 1 -j ACCEPT");
  t.is((await world.a.connect(REMOTE_UNKNOWN, 8080, { timeoutMs: 400 })).outcome, "timeout");
  t.is((await world.a.connect(B, 8080)).outcome, "connected");
});

storyOfBoth("strict: excluded traffic that kube-proxy translates passes on both nodes", async (t, world) => {
  const exclude = { ports: [80], cidrs: [], namespaces: [] };
  await world.netfilter().apply(world.rules(table({ remote: 100, a: 100 }, { exclude })));
  const connected = await world.a.connect(VIP, 80);
  t.is(seen(connected), `other ${REMOTE} ${A}`);
  t.is(await world.a.send(connected.connection, "excluded"), "data excluded");
  await world.namespaces.sh("ip -n other route replace default via 169.254.1.1 dev eth0 src 10.244.2.20");
  const arrived = await world.other.connect(A, 8080);
  t.is(await world.other.send(arrived.connection, "excluded"), "data excluded", "the other node's kube-proxy chose a");
  t.is(seen(await world.a.connect(REMOTE, 8080)), `outbound ${REMOTE} ${A}`, "dialled directly it is intercepted");
});

storyOfBoth(
  "permissive: old connections live on, new ones are intercepted, the rest is untouched",
  async (t, world) => {
    const { a, other } = world;
    const before = await a.connect(VIP, 80);
    await world.netfilter().apply(world.rules(table({ remote: 100 }, { encryption: "permissive" })));
    t.is(await a.send(before.connection, "old"), "data old");
    t.is(seen(await a.connect(VIP, 80)), `outbound ${VIP} ${A}`);
    t.is(seen(await a.connect(REMOTE_UNKNOWN, 8080)), `other ${REMOTE_UNKNOWN} ${A}`);
    await world.namespaces.sh("ip -n other route replace default via 169.254.1.1 dev eth0 src 10.244.2.20");
    const arrived = await other.connect(A, 8080);
    t.is(seen(arrived), `a ${A} ${REMOTE}`);
    t.is(await other.send(arrived.connection, "both ways"), "data both ways");
  },
);

storyOfBoth("without a table the guard holds between nodes, and nothing else is touched", async (t, world) => {
  const guard = { encryption: "strict", clusterCidrs: ["10.244.0.0/16"], nodeCidrs: ["10.244.1.0/24"] } as const;
  await world.netfilter().apply(world.rulesOf(guardView(guard)));
  t.is((await world.a.connect(REMOTE, 8080)).outcome, "ECONNREFUSED");
  t.is((await world.a.connect(VIP, 80)).outcome, world.refusalOfTranslated("ECONNREFUSED"));
  t.is(seen(await world.a.connect(B, 8080)), `b ${B} ${A}`);
  t.is(seen(await world.a.connect("192.168.9.2", 8080)), `other 192.168.9.2 ${A}`);
  t.is(seen(await world.other.connect(A, 8080)), `a ${A} 192.168.9.2`);
});

storyOfBoth("prefer-local: all to the pods of this node; a pod that calls itself", async (t, world) => {
  await world.netfilter().apply(world.rules(table({ remote: 100, b: 100 })));
  for (let attempt = 0; attempt < 10; attempt += 1) t.is(seen(await world.a.connect(VIP, 80)), `b ${B} ${A}`);
  const hairpin = await world.b.connect(VIP, 80);
  t.is(seen(hairpin), `b ${B} 169.254.1.1`);
  t.is(await world.b.send(hairpin.connection, "hello me"), "data hello me");
  t.is(seen(await world.x.connect(VIP, 80)), `other ${REMOTE} 10.244.1.12`, "kube-proxy's for whoever is outside");
});

storyOfBoth("spread: shares follow the weights, a connection stays where it was sent", async (t, world) => {
  const mesh = { locality: "spread" } as const;
  await world.netfilter().apply(world.rules(table({ remote: 200, b: 150, a: 50 }, mesh)));
  const counts: Record<string, number> = {};
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const connected = await world.x.connect(B, 8080).then(() => world.a.connect(VIP, 80));
    const label = connected.greeting?.split(" ")[0] ?? connected.outcome;
    counts[label] = (counts[label] ?? 0) + 1;
    if (attempt % 10 === 0) t.is(await world.a.send(connected.connection, "stay"), "data stay");
    await world.a.close(connected.connection);
  }
  t.deepEqual(Object.keys(counts).sort(), ["a", "b", "outbound"]);
  // 200 draws with p = 1/2, 3/8, 1/8; the bounds are five standard deviations away.
  t.true(Math.abs((counts["outbound"] ?? 0) - 100) < 36, JSON.stringify(counts));
  t.true(Math.abs((counts["b"] ?? 0) - 75) < 35, JSON.stringify(counts));
});

storyOfBoth(
  "a Service that moves between this node and the others keeps its connections and refuses none",
  async (t, world) => {
    const netfilter = world.netfilter();
    const here = world.rules(table({ remote: 100, b: 100 }));
    const there = world.rules(table({ remote: 100, b: 100 }, {}, { b: "unready" }));
    await netfilter.apply(here);
    const direct = await world.a.connect(VIP, 80);
    t.is(seen(direct), `b ${B} ${A}`);
    const outcomes = new Set<string>();
    let moving = true;
    const load = (async () => {
      while (moving) {
        const connected = await world.a.connect(VIP, 80);
        outcomes.add(seen(connected));
        await world.a.close(connected.connection);
      }
    })();
    for (let round = 0; round < 5; round += 1) {
      await netfilter.apply(there);
      t.is(await world.a.send(direct.connection, "still direct"), "data still direct");
      await netfilter.apply(here);
    }
    await netfilter.apply(there);
    moving = false;
    await load;
    t.deepEqual([...outcomes].sort(), [`b ${B} ${A}`, `outbound ${VIP} ${A}`]);
    const agents = await world.a.connect(VIP, 80);
    await netfilter.apply(here);
    t.is(await world.a.send(agents.connection, "still the agent's"), "data still the agent's");
    t.is(await world.clearPackets(), 0);
  },
);

const DAMAGES: readonly (readonly [what: string, script: string])[] = [
  ["mangle was flushed", "iptables-nft -t mangle -F"],
  ["one of our chains was flushed", "iptables-nft -t nat -F HAWSER-PREROUTING"],
  ["a jump is gone", "iptables-nft -t nat -D PREROUTING 1"],
  ["somebody is before us in mangle", "iptables-nft -t mangle -I PREROUTING 1 -j FOREIGN"],
  ["a rule was changed", "iptables-nft -t filter -R HAWSER-INPUT 1 -j DROP"],
  ["a whole table is gone", "nft delete table ip nat"],
  ["IPv6 was flushed", "ip6tables-nft -t mangle -F"],
  ["a set was flushed", "ipset flush hawser-remote4"],
  ["everything was taken away", "nft flush ruleset; ipset destroy || (sleep 0.2; ipset destroy)"],
  ["the policy rule is gone", "ip rule del pref 150"],
  ["the IPv6 policy rule is gone", "ip -6 rule del pref 149"],
  ["the route is gone", `ip route flush table ${DELIVER_TABLE}`],
];

story("damage is noticed and repaired", async (t, world) => {
  const netfilter = world.netfilter();
  const rules = world.rules(table({ remote: 100, b: 100 }));
  await netfilter.apply(rules);
  const sound = describeRules(await netfilter.dump());
  t.is(await netfilter.findDamage(rules), undefined);
  for (const [what, script] of DAMAGES) {
    await world.namespaces.sh(script);
    t.false(await netfilter.isIntact(rules), what);
    await netfilter.apply(rules);
    t.is(await netfilter.findDamage(rules), undefined, what);
    t.is(describeRules(await netfilter.dump()), sound, what);
  }
  await world.namespaces.sh("iptables-nft -I FORWARD 1 -j ACCEPT");
  t.true(await netfilter.isIntact(rules), "the order of filter rules is the host's business");
});

story("ten thousand pods: one change is one call of ipset, quickly", async (t, world) => {
  const commands: string[] = [];
  const netfilter = world.netfilter("nft", (argv) => commands.push(argv.join(" ")));
  const many = (count: number): TableSnapshot => {
    const base = table();
    const pods = Array.from({ length: count }, (_, index) =>
      pod(`many-${index}`, "node-2", [`10.250.${index >> 8}.${index & 255}`]),
    );
    return { ...base, workloads: [...base.workloads, ...pods] };
  };
  await netfilter.apply(world.rules(many(10_000)));
  const rules = world.rules(many(10_001));
  commands.length = 0;
  const startMs = performance.now();
  await netfilter.apply(rules);
  const tookMs = performance.now() - startMs;
  t.deepEqual(commands, ["ipset -exist restore"]);
  t.log(`applied in ${tookMs.toFixed(1)} ms`);
  // Including the start of nsenter and ipset on a loaded machine.
  t.true(tookMs < 250);
  t.true(await netfilter.isIntact(rules));
});
