import test from "ava";
import type { HostFacts } from "../../../../agent/host-check/host-facts.ts";
import { judgeHost } from "../../../../agent/host-check/judge-host.ts";

/** A node of the lab, with kube-proxy's rules. */
const HEALTHY: HostFacts = {
  kernel: "6.18.44",
  capabilities: (1n << 10n) | (1n << 12n) | (1n << 13n),
  backend: { backend: "nft", reason: "the kubelet's chain KUBE-IPTABLES-HINT is in it", families: [4, 6] },
  missingExtensions: [],
  missingSetTypes: [],
  transparentSockets: { 4: undefined, 6: undefined },
  foreignChains: ["PREROUTING", "KUBE-SERVICES", "KUBE-POSTROUTING"],
  foreignRules: ["-m mark --mark 0x4000/0x4000 -j MASQUERADE", "-j MARK --set-xmark 0x4000/0x4000"],
  nftTables: ["ip nat", "ip mangle"],
  policyRules: ["0:\tfrom all lookup 255", "32766:\tfrom all lookup 254"],
  kubeProxyHazards: [],
  sysctls: {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/conf/all/rp_filter": "2",
    "net/netfilter/nf_conntrack_count": "120",
    "net/netfilter/nf_conntrack_max": "262144",
  },
  links: [
    { name: "eth0", mtu: 1500, kind: "", addresses: ["192.0.2.1"] },
    { name: "veth1", mtu: 1450, kind: "veth", addresses: [] },
  ],
  uplink: "eth0",
  state: { path: "/var/lib/hawser", freeBytes: 10 * 1024 ** 3 },
  clockSynchronised: true,
};

function judge(change: Partial<HostFacts>): readonly string[] {
  return judgeHost({ ...HEALTHY, ...change })
    .filter(({ level }) => level !== "ok")
    .map(({ level, subject, detail }) => `${level} ${subject}: ${detail}`);
}

function withSysctls(sysctls: Readonly<Record<string, string>>): readonly string[] {
  return judge({ sysctls: { ...HEALTHY.sysctls, ...sysctls } });
}

test("a host that is well has nothing but ok, and everything else says what to do", (t) => {
  t.deepEqual(judge({}), []);
  const broken = judgeHost({
    ...HEALTHY,
    capabilities: 0n,
    missingExtensions: undefined,
    clockSynchronised: false,
    uplink: undefined,
  });
  for (const { level, todo } of broken) t.is(level === "ok", todo === undefined);
});

test("capabilities: what is missing, and for what", (t) => {
  t.deepEqual(judge({ capabilities: 1n << 12n }), [
    "failed capabilities: NET_RAW is missing (the set match of iptables); " +
      "NET_BIND_SERVICE is missing (clients that call from a port below 1024)",
  ]);
  t.deepEqual(judge({ capabilities: (1n << 12n) | (1n << 13n) }), [
    "warning capabilities: NET_BIND_SERVICE is missing (clients that call from a port below 1024)",
  ]);
});

test("what the kernel lacks is named", (t) => {
  t.deepEqual(judge({ missingExtensions: ["TPROXY", "socket"], missingSetTypes: ["hash:ip,port"] }), [
    "failed TPROXY and matches: the kernel has no TPROXY, socket",
    "failed ipset: the kernel has no hash:ip,port",
  ]);
  t.deepEqual(judge({ transparentSockets: { 4: "Cannot set IP_TRANSPARENT: EPERM", 6: undefined } }), [
    "failed transparent sockets, IPv4: Cannot set IP_TRANSPARENT: EPERM",
  ]);
  t.is(judge({ kernel: "4.19.0-26-amd64" }).length, 1);
});

test("without iptables there is one failure for it", (t) => {
  t.deepEqual(judge({ backend: { problem: "Cannot use iptables" } }), [
    "failed iptables back end: Cannot use iptables",
  ]);
});

test("other writers of rules: known ones are named, dangerous ones warned of", (t) => {
  const subject = "other writers of rules";
  const judged = judgeHost(HEALTHY).find((one) => one.subject === subject);
  t.like(judged, { level: "ok", detail: "kube-proxy (iptables)" });
  t.deepEqual(judge({ nftTables: ["inet firewalld"], foreignChains: ["KUBE-SERVICES", "cali-FORWARD"] }), [
    `warning ${subject}: kube-proxy (iptables), Calico, firewalld`,
  ]);
});

test("rules of others with our mark bits are found, whole marks without them are not", (t) => {
  for (const rule of [
    "-j MARK --set-xmark 0x1000/0x1000",
    "-m mark --mark 0x2/0x3000 -j ACCEPT",
    "-j MARK --set-mark 0x3f00",
  ]) {
    t.is(judge({ foreignRules: [rule] }).length, 1, rule);
  }
  for (const rule of [
    "-j MARK --set-xmark 0x4000/0xffffffff",
    "-m mark --mark 0x200/0xf00",
    "-j CONNMARK --restore-mark 0xff0000/0xff0000",
  ]) {
    t.deepEqual(judge({ foreignRules: [rule] }), [], rule);
  }
  t.is(judge({ policyRules: ["100:\tfrom all fwmark 0x2000/0x2000 lookup 7"] }).length, 1);
});

test("sysctls: forwarding, a full conntrack table, bridge netfilter", (t) => {
  t.deepEqual(withSysctls({ "net/ipv4/ip_forward": "0" }), ["warning forwarding: off: net.ipv4.ip_forward"]);
  t.deepEqual(withSysctls({ "net/netfilter/nf_conntrack_count": "200000" }), [
    "warning conntrack: 200000 of 262144 entries",
  ]);
  t.deepEqual(withSysctls({ "net/netfilter/nf_conntrack_count": "262144" }), [
    "failed conntrack: 262144 of 262144 entries",
  ]);
  t.deepEqual(withSysctls({ "net/bridge/bridge-nf-call-iptables": "1" }), []);
  const links = [...HEALTHY.links, { name: "cni0", mtu: 1500, kind: "bridge", addresses: ["10.244.1.1"] }];
  const sysctls = { ...HEALTHY.sysctls, "net/bridge/bridge-nf-call-iptables": "1" };
  t.deepEqual(judge({ links, sysctls }), ["warning bridge netfilter: on, with bridge cni0"]);
});

test("pods with a larger MTU than the uplink, a state directory that is none, a clock that drifts", (t) => {
  const links = HEALTHY.links.map((link) => (link.kind === "veth" ? { ...link, mtu: 9000 } : link));
  t.deepEqual(judge({ links }), ["warning MTU: eth0 1500, pods 9000"]);
  t.deepEqual(judge({ state: { path: "/x", problem: "EROFS", freeBytes: 0 } }), ["failed state directory: /x: EROFS"]);
  t.deepEqual(judge({ state: { path: "/x", freeBytes: 1024 } }), ["warning state directory: /x, 0 MB free"]);
  t.is(judge({ clockSynchronised: false }).length, 1);
  t.deepEqual(judge({ clockSynchronised: undefined }), []);
});
