/** The filter table: the agent's packets get in, refused ones are answered with a reset (pure). */
import type { RuleOptions } from "./desired-rules.ts";
import { Chains } from "./names.ts";
import { FIRST_PACKET, packetMark, type Rule, rule, type TableRules } from "./rule.ts";

export function filterRules({ marks, intercept }: RuleOptions): TableRules {
  const { deliver, own } = marks;
  return {
    table: "filter",
    jumps: [
      { from: "INPUT", rule: rule(`-p tcp ${packetMark(deliver)}`, Chains.input, "hawser: packets for the agent") },
      { from: "FORWARD", rule: rule(`-p tcp ${packetMark(deliver | own)}`, Chains.forward, "hawser: refused packets") },
    ],
    chains: [
      {
        name: Chains.input,
        rules: [
          ...(intercept === "redirect" ? withoutSocket() : []),
          rule("", "ACCEPT", "intercepted: in spite of a host firewall"),
        ],
      },
      { name: Chains.forward, rules: [rule("-p tcp", "REJECT --reject-with tcp-reset", "refused: say so at once")] },
    ],
  };
}

/**
 * TPROXY drops what nobody listens for; redirected packets come this far. A SYN is dropped here, before conntrack remembers
 * where it was sent to: the client tries again, and reaches the next agent.
 */
function withoutSocket(): readonly Rule[] {
  return [
    rule("-m socket", "ACCEPT", "its socket is there"),
    rule(FIRST_PACKET, "DROP", "nobody listens, the client will try again"),
    // One that was redirected the kernel resets itself; this reset would come from the wrong address, inside a bridge.
    rule("-p tcp -m conntrack ! --ctstate DNAT", "REJECT --reject-with tcp-reset", "its agent is gone"),
  ];
}
