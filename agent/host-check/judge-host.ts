/**
 * Facts of a host -> findings (pure). One function per subject, in the order in which a person would look: may the agent do
 * its work, can the kernel, who else is there, and what will be in the way later.
 */
import { type Finding, failed, ok, warning } from "../../protocol/finding.ts";
import { hex, Marks } from "../netfilter/marks.ts";
import type { HostFacts } from "./host-facts.ts";

export function judgeHost(facts: HostFacts): readonly Finding[] {
  return [
    kernel(facts),
    capabilities(facts),
    backEnd(facts),
    extensions(facts),
    setTypes(facts),
    ...transparentSockets(facts),
    forwarding(facts),
    ruleWriters(facts),
    ...facts.kubeProxyHazards.map((hazard) => warning("kube-proxy", hazard, "See Known limits in the README")),
    marks(facts),
    bridgeNetfilter(facts),
    reversePath(facts),
    mtu(facts),
    conntrack(facts),
    stateDirectory(facts),
    clock(facts),
  ];
}

/** NETLINK_GET_STRICT_CHK, with which the agent asks for its one route table, came with it. What is run in tests is newer. */
const OLDEST_KERNEL = [4, 20] as const;

function kernel({ kernel: release }: HostFacts): Finding {
  const [major = 0, minor = 0] = release.split(".").map(Number);
  const [oldMajor, oldMinor] = OLDEST_KERNEL;
  if (major > oldMajor || (major === oldMajor && minor >= oldMinor)) return ok("kernel", release);
  return warning(
    "kernel",
    `${release} is older than ${OLDEST_KERNEL.join(".")}`,
    "Update it: the agent then looks at its rules with programs, all the time",
  );
}

// include/uapi/linux/capability.h.
const CAPABILITIES = [
  { name: "NET_ADMIN", bit: 12n, level: "failed", use: "rules, sets, routes and transparent sockets" },
  { name: "NET_RAW", bit: 13n, level: "failed", use: "the set match of iptables" },
  { name: "NET_BIND_SERVICE", bit: 10n, level: "warning", use: "clients that call from a port below 1024" },
] as const;

function capabilities({ capabilities: held }: HostFacts): Finding {
  const missing = CAPABILITIES.filter(({ bit }) => (held & (1n << bit)) === 0n);
  const names = CAPABILITIES.map(({ name }) => name).join(", ");
  if (missing.length === 0) return ok("capabilities", names);
  const detail = missing.map(({ name, use }) => `${name} is missing (${use})`).join("; ");
  const level = missing.some((one) => one.level === "failed") ? failed : warning;
  return level("capabilities", detail, `Add ${missing.map(({ name }) => name).join(" and ")} to the container`);
}

function backEnd({ backend }: HostFacts): Finding {
  if ("problem" in backend) {
    return failed("iptables back end", backend.problem, "Install iptables 1.8, and let the agent have NET_ADMIN");
  }
  const families = backend.families.map((family) => `IPv${family}`).join(" and ");
  return ok("iptables back end", `${backend.backend} for ${families}: ${backend.reason}`);
}

function extensions({ missingExtensions }: HostFacts): Finding {
  const subject = "TPROXY and matches";
  if (missingExtensions === undefined) {
    return warning(subject, "not asked: only iptables-nft tells without changing anything", "Look at the agent's log");
  }
  if (missingExtensions.length === 0) return ok(subject, "the kernel has them");
  const modules = missingExtensions.map((name) => `xt_${name}`).join(" ");
  return failed(subject, `the kernel has no ${missingExtensions.join(", ")}`, `Load ${modules}, or update the kernel`);
}

function setTypes({ missingSetTypes }: HostFacts): Finding {
  if (missingSetTypes.length === 0) return ok("ipset", "the kernel has all types");
  const modules = missingSetTypes.map((type) => `ip_set_${type.replaceAll(/[:,]/g, "_")}`).join(" ");
  return failed("ipset", `the kernel has no ${missingSetTypes.join(", ")}`, `Load ${modules}`);
}

function transparentSockets({ transparentSockets: problems, backend }: HostFacts): readonly Finding[] {
  const families = "families" in backend ? backend.families : ([4] as const);
  return families.map((family) => {
    const subject = `transparent sockets, IPv${family}`;
    const problem = problems[family];
    return problem === undefined
      ? ok(subject, "can be had")
      : failed(subject, problem, "Let the agent have NET_ADMIN in the host's network namespace");
  });
}

function forwarding({ sysctls, backend }: HostFacts): Finding {
  const wanted = ["net/ipv4/ip_forward"];
  if ("families" in backend && backend.families.includes(6)) wanted.push("net/ipv6/conf/all/forwarding");
  const off = wanted.filter((name) => sysctls[name] === "0");
  if (off.length === 0) return ok("forwarding", "on");
  const names = off.map(sysctlName);
  const todo = `Pods reach nobody without: sysctl -w ${names.map((name) => `${name}=1`).join(" ")}`;
  return warning("forwarding", `off: ${names.join(", ")}`, todo);
}

/** Prefix of a chain or name of an nft table, and whose it is. */
const RULE_WRITERS: readonly { readonly pattern: RegExp; readonly who: string; readonly hazard?: string }[] = [
  { pattern: /^KUBE-(SERVICES|POSTROUTING|NODEPORTS)/, who: "kube-proxy (iptables)" },
  { pattern: /^(ip|ip6) kube-proxy$/, who: "kube-proxy (nftables)" },
  { pattern: /^(cali-|ip6? calico)/, who: "Calico" },
  {
    pattern: /^(OLD_)?CILIUM_/,
    who: "Cilium",
    hazard: "it can pass the host's iptables by: run `hawser check`, which reads its configuration",
  },
  { pattern: /^FLANNEL-/, who: "flannel" },
  { pattern: /^(WEAVE|KUBE-ROUTER|KUBE-NWPLCY|ANTREA|AWS-SNAT)/, who: "another CNI" },
  { pattern: /^DOCKER/, who: "Docker" },
  {
    pattern: /^(ISTIO_|ISTIO-)/,
    who: "Istio",
    hazard: "two meshes must not take the same pods: exclude its namespaces",
  },
  {
    pattern: /^(inet|ip|ip6) firewalld/,
    who: "firewalld",
    hazard:
      "a reload takes all rules away; the agent puts its own back within 2 s, and what is new meanwhile fails in strict",
  },
  { pattern: /^ufw-/, who: "ufw", hazard: "allow TCP 15008 and what the CNI needs between nodes" },
];

function ruleWriters({ foreignChains, nftTables }: HostFacts): Finding {
  const names = [...foreignChains, ...nftTables];
  const found = RULE_WRITERS.filter(({ pattern }) => names.some((name) => pattern.test(name)));
  const detail = found.length === 0 ? "nobody known" : found.map(({ who }) => who).join(", ");
  const hazards = found.flatMap(({ who, hazard }) => (hazard === undefined ? [] : [`${who}: ${hazard}`]));
  return hazards.length === 0
    ? ok("other writers of rules", detail)
    : warning("other writers of rules", detail, hazards.join("; "));
}

const OUR_BITS = Marks.deliver | Marks.own;
const MARK_WORDS =
  /(?:--(?:set-xmark|set-mark|or-mark|mark|restore-mark|save-mark|tproxy-mark)|fwmark) (0x[0-9a-f]+)(?:\/(0x[0-9a-f]+))?/gi;

/** A rule of somebody else's that sets or asks our bits. One that takes all bits (no mask) is only one if its value has them. */
function marks({ foreignRules, policyRules }: HostFacts): Finding {
  const bits = `${hex(Marks.deliver)} and ${hex(Marks.own)}`;
  const colliding = [...foreignRules, ...policyRules].filter((rule) =>
    [...rule.matchAll(MARK_WORDS)].some(([, value = "0", mask]) => {
      const used = mask === undefined || Number(mask) === 0xffffffff ? Number(value) : Number(mask);
      return (used & OUR_BITS) !== 0;
    }),
  );
  const [first] = colliding;
  if (first === undefined) return ok("mark bits", `${bits} are nobody else's`);
  const detail = `${colliding.length} rules of others use ${bits}, e.g. "${first}"`;
  return failed(
    "mark bits",
    detail,
    "Give the other program other bits: Hawser's are fixed (agent/netfilter/marks.ts)",
  );
}

function bridgeNetfilter({ sysctls, links }: HostFacts): Finding {
  const value = sysctls["net/bridge/bridge-nf-call-iptables"];
  if (value !== "1") return ok("bridge netfilter", value === undefined ? "not loaded" : "off");
  const bridges = links
    .filter(({ kind, addresses }) => kind === "bridge" && addresses.length > 0)
    .map(({ name }) => name);
  if (bridges.length === 0) return ok("bridge netfilter", "on, and no bridge with an address is here");
  return ok("bridge netfilter", `on: connections of pods on ${bridges.join(" or ")} are redirected`);
}

function reversePath({ sysctls }: HostFacts): Finding {
  const value = sysctls["net/ipv4/conf/all/rp_filter"] ?? "0";
  const meaning = { "0": "off", "1": "strict", "2": "loose" }[value] ?? "unknown";
  return ok("rp_filter", `${value} (${meaning}), Hawser works with each`);
}

function mtu({ links, uplink }: HostFacts): Finding {
  const outside = links.find(({ name }) => name === uplink);
  if (outside === undefined)
    return warning("MTU", "there is no default route", "Compare the MTU of pods and uplink yourself");
  const pods = links.filter(({ kind }) => kind === "veth");
  const largest = Math.max(0, ...pods.map((link) => link.mtu));
  const detail = `${outside.name} ${outside.mtu}, pods ${pods.length === 0 ? "none here" : largest}`;
  if (largest <= outside.mtu) return ok("MTU", detail);
  return warning("MTU", detail, "Pods send larger packets than the uplink takes: set the CNI's MTU");
}

/** Above this share new connections are about to be dropped; the kernel says so only in dmesg. */
const CONNTRACK_WARNING = 0.75;

function conntrack({ sysctls }: HostFacts): Finding {
  const used = Number(sysctls["net/netfilter/nf_conntrack_count"] ?? Number.NaN);
  const size = Number(sysctls["net/netfilter/nf_conntrack_max"] ?? Number.NaN);
  if (!(size > 0)) return ok("conntrack", "not in use yet");
  const detail = `${used} of ${size} entries`;
  if (used / size < CONNTRACK_WARNING) return ok("conntrack", detail);
  const level = used >= size ? failed : warning;
  return level("conntrack", detail, `Raise it: sysctl -w net.netfilter.nf_conntrack_max=${size * 2}`);
}

/** A table of 100,000 pods is 40 MB, and is written beside the old one. */
const WANTED_BYTES = 100 * 1024 * 1024;

function stateDirectory({ state }: HostFacts): Finding {
  const subject = "state directory";
  if (state.problem !== undefined) {
    const todo = "Without it a node that boots while no controller answers is not meshed: make it writable";
    return failed(subject, `${state.path}: ${state.problem}`, todo);
  }
  const detail = `${state.path}, ${Math.floor(state.freeBytes / 1024 / 1024)} MB free`;
  return state.freeBytes >= WANTED_BYTES ? ok(subject, detail) : warning(subject, detail, "Make room on that disk");
}

function clock({ clockSynchronised }: HostFacts): Finding {
  if (clockSynchronised === undefined) return ok("clock", "not known");
  if (clockSynchronised) return ok("clock", "synchronised");
  const todo = "Run chrony or systemd-timesyncd: certificates are valid from two minutes before they are made";
  return warning("clock", "the kernel says that nobody keeps it right", todo);
}

function sysctlName(path: string): string {
  return path.replaceAll("/", ".");
}
