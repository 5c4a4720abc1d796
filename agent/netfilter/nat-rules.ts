/**
 * The nat table, which sees only the first packet of a connection: direct connections to a Service get their local
 * endpoint here, before kube-proxy could send them to another node; with `redirect`, what mangle marked for the agent gets the
 * agent's address (pure).
 */
import type { AddressFamily } from "../../routing/address.ts";
import { formatHostPort } from "../../routing/address.ts";
import { AGENT_ADDRESS, OUTBOUND_PORTS } from "../sockets/agent-address.ts";
import type { RuleOptions } from "./desired-rules.ts";
import { Chains } from "./names.ts";
import type { DirectService } from "./node-view.ts";
import { hostCidr, probability } from "./rule-words.ts";
import {
  connectionMark,
  hboneToLocal,
  inSet,
  LATER_PACKET,
  packetMark,
  type Rule,
  rule,
  type TableRules,
} from "./rule.ts";

export function natRules(direct: readonly DirectService[], family: AddressFamily, options: RuleOptions): TableRules {
  const { deliver, own } = options.marks;
  return {
    table: "nat",
    jumps: [
      { from: "PREROUTING", rule: rule("-p tcp", Chains.prerouting, "hawser: before kube-proxy") },
      { from: "POSTROUTING", rule: rule("-p tcp", Chains.postrouting, "hawser: sources of pods") },
    ],
    chains: [
      {
        name: Chains.prerouting,
        rules: [
          ...(options.intercept === "redirect" ? redirections(family, options) : []),
          // TPROXY does not end here: kube-proxy would translate the packet, and the agent not learn what was dialled.
          rule(packetMark(deliver), "ACCEPT", "for the agent: keep the dialled address"),
          rule(connectionMark(own), Chains.services, "direct: to a pod of this node"),
        ],
      },
      { name: Chains.services, rules: direct.flatMap((service) => translations(service)) },
      {
        name: Chains.postrouting,
        rules: [
          rule(`${packetMark(own)} -m addrtype ! --src-type LOCAL`, "ACCEPT", "the agent speaks as a pod: keep it so"),
          ...hairpins(direct, family, own),
        ],
      },
    ],
  };
}

function redirections(family: AddressFamily, { marks, inboundPort, outboundPort }: RuleOptions): readonly Rule[] {
  const marked = packetMark(marks.deliver);
  const to = (port: number): string => `DNAT --to-destination ${formatHostPort(AGENT_ADDRESS[family], port)}`;
  return [
    rule(
      `${LATER_PACKET} ${marked} -m socket --transparent`,
      "ACCEPT",
      "forgotten by conntrack, and its socket is there",
    ),
    rule(`${hboneToLocal(family)} ${marked}`, to(inboundPort), "tunnel: to the inbound listener"),
    rule(
      `-p tcp ${marked} ${inSet("local", family, "src")}`,
      `${to(outboundPort)}-${outboundPort + OUTBOUND_PORTS - 1}`,
      "to the outbound listener: the first of its ports that leaves the client its own",
    ),
  ];
}

/** Target i takes its weight's part of what the targets before it have left over; the last takes the rest. */
function translations({ service, vip, port, targets }: DirectService): readonly Rule[] {
  let left = targets.reduce((sum, target) => sum + target.weight, 0);
  return targets.map((target, index) => {
    const dice = index === targets.length - 1 ? "" : ` ${probability(target.weight / left)}`;
    left -= target.weight;
    const destination = formatHostPort(target.address, target.port);
    return rule(
      `-d ${hostCidr(vip)} -p tcp -m tcp --dport ${port}${dice}`,
      `DNAT --to-destination ${destination}`,
      `${service} port ${port} on this node`,
    );
  });
}

/** A pod that reaches itself through a Service must see another sender than itself, or it drops the packet. */
function hairpins(direct: readonly DirectService[], family: AddressFamily, own: number): readonly Rule[] {
  const addresses = new Set(direct.flatMap((service) => service.targets.map((target) => target.address)));
  return [...addresses]
    .sort()
    .filter((address) => address.includes(":") === (family === 6))
    .map((address) =>
      rule(
        `-s ${hostCidr(address)} -d ${hostCidr(address)} -p tcp ${connectionMark(own)}`,
        "MASQUERADE",
        "a pod calls its own Service",
      ),
    );
}
