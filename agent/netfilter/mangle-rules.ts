/**
 * The mangle table: who is intercepted, and what may not cross between nodes in clear (pure).
 *
 * A packet's way through PREROUTING; `deliver` and `own` are the bits of marks.ts:
 *
 *   connection is the agent's ──> its socket is there ──────────────> deliver (mark, so that policy routing keeps it here)
 *         │                       no socket (agent died, restarted) ─> to the agent: the listener answers with a reset,
 *         │                                                            no listener: dropped. Never forwarded.
 *   tunnel to a local mesh pod ──> to the agent, inbound
 *   established, not the agent's ──> untouched (nearly all packets of a host end here, after four cheap looks)
 *   not from a local mesh pod ──> untouched
 *   first packet (SYN): mesh pod of this node ──> connection mark `own`: its later packets do not come here at all
 *                       excluded ──────────────> untouched
 *                       Service without local share ──> to the agent, outbound
 *                       Service with local share ──> dice: to the agent | connection mark `own`, DNAT by the nat table
 *                       mesh pod of another node ──> to the agent, outbound
 *
 * Decisions are taken on the SYN alone and kept in the connection mark: later packets of a connection that kube-proxy
 * or we translated still show the dialled address here (DNAT comes after mangle), and must not be judged again.
 *
 * "To the agent" is TPROXY, or with `redirect` the mark alone: the nat table then gives the packet the agent's address, and
 * the kernel finds the socket by it. (TPROXY gets the SYNs rather than `-m socket`, because only TPROXY replaces a TIME_WAIT
 * socket by a listener.)
 */
import type { AddressFamily } from "../../routing/address.ts";
import { AGENT_ADDRESS } from "../sockets/agent-address.ts";
import type { RuleOptions } from "./desired-rules.ts";
import { hex } from "./marks.ts";
import { Chains, SKIP_PORT_SET } from "./names.ts";
import type { FamilyView, NodeView } from "./node-view.ts";
import { hostCidr, probability } from "./rule-words.ts";
import {
  type Chain,
  connectionMark,
  FIRST_PACKET,
  hboneToLocal,
  inSet,
  LATER_PACKET,
  notInSet,
  packetMark,
  type Rule,
  rule,
  type TableRules,
} from "./rule.ts";

export function mangleRules(view: NodeView, family: AddressFamily, options: RuleOptions): TableRules {
  const { deliver, own } = options.marks;
  const refused = packetMark(deliver | own);
  return {
    table: "mangle",
    jumps: [
      { from: "PREROUTING", rule: rule("-p tcp", Chains.prerouting, "hawser: interception") },
      { from: "FORWARD", rule: rule("-p tcp", Chains.forward, "hawser: what must not be forwarded") },
      { from: "OUTPUT", rule: rule(`-p tcp ${packetMark(own)}`, Chains.output, "hawser: packets of the agent") },
      { from: "POSTROUTING", rule: rule(`-p tcp ${refused}`, Chains.postrouting, "hawser: refused packets") },
    ],
    chains: [
      prerouting(family, options),
      agentConnections(family, options),
      deliverToAgent(options),
      inboundTunnel(family, options),
      outboundConnection(family, options),
      splitServices(view.families[family], options),
      agentOutput(family, options),
      forward(view, family, options),
      guard(family, options),
      { name: Chains.postrouting, rules: [rule("", "DROP", "refused, and accepted by a filter rule before ours")] },
    ],
  };
}

function prerouting(family: AddressFamily, { marks, intercept }: RuleOptions): Chain {
  return {
    name: Chains.prerouting,
    rules: [
      rule(connectionMark(marks.own), "RETURN", "decided before: direct"),
      rule(connectionMark(marks.deliver), Chains.agent, "connection of the agent"),
      rule(packetMark(marks.own), "RETURN", "sent by the agent itself"),
      rule(hboneToLocal(family), Chains.inbound, "tunnel to a mesh pod of this node"),
      rule(
        `${LATER_PACKET} -m conntrack --ctstate RELATED,ESTABLISHED`,
        "RETURN",
        "established, not of the agent: untouched",
      ),
      rule(notInSet("local", family, "src"), "RETURN", "not from a mesh pod of this node: untouched"),
      rule(`${LATER_PACKET} -m socket --transparent`, Chains.deliver, "of the agent, but conntrack has forgotten it"),
      ...(intercept === "redirect" ? forgottenConnections(family) : BEFORE_THE_MESH),
      rule(
        inSet("local", family, "dst"),
        `CONNMARK --set-xmark ${hex(marks.own)}/${hex(marks.deliver | marks.own)}`,
        "to a mesh pod of this node: direct",
      ),
      rule(`-m set --match-set ${SKIP_PORT_SET} dst`, "RETURN", "excluded port"),
      rule(inSet("skipnet", family, "dst"), "RETURN", "excluded destination"),
      rule(inSet("vip", family, "dst,dst"), Chains.outbound, "Service without a share on this node"),
      rule(inSet("split", family, "dst,dst"), Chains.split, "Service with a share on this node"),
      rule(inSet("remote", family, "dst"), Chains.outbound, "mesh pod of another node"),
    ],
  };
}

const BEFORE_THE_MESH = [rule(LATER_PACKET, "RETURN", "began before the mesh: only the guard has a say")];

/**
 * A redirected connection that conntrack has forgotten looks like one that nobody intercepted, and no socket has its address.
 * It is redirected anew: the agent has its socket, or the pod gets a reset. (One from before the mesh is known to conntrack,
 * because on such hosts conntrack sees everything.)
 */
function forgottenConnections(family: AddressFamily): readonly Rule[] {
  return [
    rule(`${LATER_PACKET} -m set --match-set ${SKIP_PORT_SET} src`, "RETURN", "answer from an excluded port"),
    rule([LATER_PACKET, inSet("skipnet", family, "src")], "RETURN", "answer from an excluded destination"),
    rule([LATER_PACKET, inSet("split", family, "dst,dst")], Chains.outbound, "forgotten: of the agent, or of nobody"),
  ];
}

function agentConnections(family: AddressFamily, options: RuleOptions): Chain {
  const { deliver } = options.marks;
  const { inbound, outbound } = ways(family, options);
  const socket = rule(`${LATER_PACKET} -m socket --transparent`, Chains.deliver, "its socket is there");
  const redirected = rule(
    `${LATER_PACKET} -m conntrack --ctstate DNAT`,
    Chains.deliver,
    "its socket is there, at another address",
  );
  return {
    name: Chains.agent,
    rules: [
      // Both in either mode: connections outlive a change of it, and kube-proxy's nftables mode may translate before us.
      ...(options.intercept === "redirect" ? [redirected, socket] : [socket, redirected]),
      rule(hboneToLocal(family), inbound, "tunnel without socket: reset, or a new one"),
      rule(`-p tcp ${inSet("local", family, "src")}`, outbound, "from a pod, without socket: reset, or a new one"),
      rule(FIRST_PACKET, `CONNMARK --set-xmark 0x0/${hex(deliver)}`, "of somebody else now, with the same ports"),
    ],
  };
}

/** ACCEPT ends mangle only; it keeps other mangle rules from changing the mark. */
function deliverToAgent({ marks }: RuleOptions): Chain {
  const connection = hex(marks.deliver | marks.own);
  return {
    name: Chains.deliver,
    rules: [
      rule("", `CONNMARK --set-xmark ${hex(marks.deliver)}/${connection}`, "the connection belongs to the agent"),
      rule("", `MARK --set-xmark ${hex(marks.deliver)}/${hex(marks.deliver)}`, "policy routing delivers it here"),
      rule("", "ACCEPT", "and nobody changes the mark"),
    ],
  };
}

function inboundTunnel(family: AddressFamily, options: RuleOptions): Chain {
  const { marks } = options;
  const connection = hex(marks.deliver | marks.own);
  return {
    name: Chains.inbound,
    rules: [
      rule("-m conntrack --ctdir REPLY", "RETURN", "answer to a pod that itself uses this port as its source port"),
      rule("", `CONNMARK --set-xmark ${hex(marks.deliver)}/${connection}`, "the connection belongs to the agent"),
      rule("-p tcp", ways(family, options).inbound, "to the inbound listener"),
    ],
  };
}

function outboundConnection(family: AddressFamily, options: RuleOptions): Chain {
  const { marks } = options;
  const connection = hex(marks.deliver | marks.own);
  return {
    name: Chains.outbound,
    rules: [
      rule("", `CONNMARK --set-xmark ${hex(marks.deliver)}/${connection}`, "the connection belongs to the agent"),
      rule("-p tcp", ways(family, options).outbound, "to the outbound listener"),
    ],
  };
}

function splitServices(view: FamilyView, { marks }: RuleOptions): Chain {
  const shared = view.direct.filter((service) => service.agentShare > 0);
  const connection = hex(marks.deliver | marks.own);
  return {
    name: Chains.split,
    rules: [
      ...shared.map(({ service, vip, port, agentShare }) =>
        rule(
          `-d ${hostCidr(vip)} -p tcp -m tcp --dport ${port} ${probability(agentShare)}`,
          Chains.outbound,
          `${service} port ${port}: the share of other nodes`,
        ),
      ),
      rule("", `CONNMARK --set-xmark ${hex(marks.own)}/${connection}`, "direct, to a pod of this node"),
    ],
  };
}

/**
 * The agent's sockets whose address is not this host's: it speaks as a pod or as a Service. Their connections must be known as
 * the agent's, whoever sent the first packet that conntrack saw. Its tunnels speak as the host and need nothing.
 */
function agentOutput(family: AddressFamily, { marks, intercept }: RuleOptions): Chain {
  const both = marks.deliver | marks.own;
  const foreign = `-m connmark ! --mark ${hex(marks.deliver)}/${hex(marks.deliver)} -m addrtype ! --src-type LOCAL`;
  return {
    name: Chains.output,
    rules: [
      rule(packetMark(both), `MARK --set-xmark 0x0/${hex(both)}`, "our reset; sysctl fwmark_reflect lent it the mark"),
      ...(intercept === "redirect" ? [untranslated(family)] : []),
      rule(
        `${packetMark(marks.own)} ${foreign}`,
        `CONNMARK --set-xmark ${hex(marks.deliver)}/${hex(both)}`,
        "the agent speaks as a pod or a Service",
      ),
    ],
  };
}

/** The client would not know it, and the entry it makes in conntrack would be in the way when the client speaks next. */
function untranslated(family: AddressFamily): Rule {
  const match = `-s ${hostCidr(AGENT_ADDRESS[family])} -p tcp -m conntrack ! --ctstate RELATED,ESTABLISHED`;
  return rule(match, "DROP", "conntrack has forgotten whom the agent speaks as: the client must speak first");
}

function forward(view: NodeView, family: AddressFamily, { marks }: RuleOptions): Chain {
  // Calls inside a node pay for one look at the connection mark in either chain, and for nothing else. Not in the jumps:
  // a packet that conntrack does not know has no mark to compare, and must meet the guard. Nor for the first packet:
  // "direct" is what mangle hoped for, and when our DNAT is missing or late, kube-proxy has sent it to another node.
  const direct = rule(`${LATER_PACKET} ${connectionMark(marks.own)}`, "RETURN", "decided before: direct");
  const lost = rule(
    `${LATER_PACKET} ${connectionMark(marks.deliver)}`,
    refuse(marks.deliver | marks.own),
    "connection of the agent: never forwarded",
  );
  const [here, there] = ["localnet", "remotenet"] as const;
  const guards = [
    rule([inSet(here, family, "src"), inSet(here, family, "dst")], "RETURN", "within this node"),
    rule([inSet(here, family, "src"), inSet(there, family, "dst")], Chains.guard, "pod to a pod of another node"),
    rule([inSet(there, family, "src"), inSet(here, family, "dst")], Chains.guard, "pod of another node to a pod"),
  ];
  return { name: Chains.forward, rules: view.encryption === "strict" ? [direct, lost, ...guards] : [direct, lost] };
}

/**
 * Strict encryption. What the agents carry never comes here: it arrives through INPUT and leaves through OUTPUT. Known pods
 * or not: whatever has a pod's address and is not known to be outside the mesh is refused, new connection or old.
 */
function guard(family: AddressFamily, { marks }: RuleOptions): Chain {
  const ends = { ORIGINAL: "dst", REPLY: "src" } as const;
  const excluded = (["ORIGINAL", "REPLY"] as const).flatMap((direction) => {
    const end = ends[direction];
    const way = `-m conntrack --ctdir ${direction}`;
    const side = direction === "ORIGINAL" ? "" : ", answer";
    return [
      rule(`-m set --match-set ${SKIP_PORT_SET} ${end} ${way}`, "RETURN", `excluded port${side}`),
      rule(`${inSet("skipnet", family, end)} ${way}`, "RETURN", `excluded destination${side}`),
      rule(
        `${inSet("skipend", family, `${end},${end}`)} ${way}`,
        "RETURN",
        `endpoint of an excluded Service port${side}`,
      ),
    ];
  });
  return {
    name: Chains.guard,
    rules: [
      rule(inSet("outside", family, "src"), "RETURN", "from outside the mesh, or from a node itself"),
      rule(inSet("outside", family, "dst"), "RETURN", "to outside the mesh, or to a node itself"),
      ...excluded,
      rule("", refuse(marks.deliver | marks.own), "clear text between nodes: refused"),
    ],
  };
}

/** The filter table answers what carries this mark with a reset; what gets past it is dropped in POSTROUTING. */
function refuse(bits: number): string {
  return `MARK --set-xmark ${hex(bits)}/${hex(bits)}`;
}

/** The targets that hand a packet to the agent's listeners. */
function ways(family: AddressFamily, options: RuleOptions): { readonly inbound: string; readonly outbound: string } {
  if (options.intercept === "redirect") return { inbound: Chains.deliver, outbound: Chains.deliver };
  const mark = hex(options.marks.deliver);
  const tproxy = (port: number): string =>
    `TPROXY --on-port ${port} --on-ip ${AGENT_ADDRESS[family]} --tproxy-mark ${mark}/${mark}`;
  return { inbound: tproxy(options.inboundPort), outbound: tproxy(options.outboundPort) };
}
