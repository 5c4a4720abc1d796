/** The filter table: the agent's packets get in, refused ones are answered with a reset (pure). */
import type { RuleOptions } from "./desired-rules.ts";
import { Chains } from "./names.ts";
import { FIRST_PACKET, LATER_PACKET, packetMark, type Rule, rule, type TableRules } from "./rule.ts";

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
        rules:
          intercept === "redirect" ? redirected() : [rule("", "ACCEPT", "intercepted: in spite of a host firewall")],
      },
      { name: Chains.forward, rules: [rule("-p tcp", "REJECT --reject-with tcp-reset", "refused: say so at once")] },
    ],
  };
}

/**
 * TPROXY drops what nobody listens for; redirected packets come this far. A SYN is dropped here, before conntrack remembers
 * where it was sent to: the client tries again, and reaches the next agent.
 */
function redirected(): readonly Rule[] {
  return [
    // Nearly all packets, and no reset for the others: inside a bridge it would come from the agent's address, see 0021.
    rule(`${LATER_PACKET} -m conntrack --ctstate DNAT`, "ACCEPT", "redirected before"),
    rule("-m socket", "ACCEPT", "its socket is there"),
    rule(FIRST_PACKET, "DROP", "nobody listens, the client will try again"),
    // Out of window, so not translated: a reset would end a connection that is alive.
    rule("-m conntrack --ctstate INVALID", "DROP", "conntrack cannot say whose it is"),
    rule("-p tcp", "REJECT --reject-with tcp-reset", "its agent is gone"),
  ];
}
