/** The filter table: the agent's packets get in, refused ones are answered with a reset (pure). */
import type { RuleOptions } from "./desired-rules.ts";
import { Chains } from "./names.ts";
import { packetMark, rule, type TableRules } from "./rule.ts";

export function filterRules({ marks }: RuleOptions): TableRules {
  const { deliver, own } = marks;
  return {
    table: "filter",
    jumps: [
      { from: "INPUT", rule: rule(`-p tcp ${packetMark(deliver)}`, Chains.input, "hawser: packets for the agent") },
      { from: "FORWARD", rule: rule(`-p tcp ${packetMark(deliver | own)}`, Chains.forward, "hawser: refused packets") },
    ],
    chains: [
      { name: Chains.input, rules: [rule("", "ACCEPT", "intercepted: in spite of a host firewall")] },
      { name: Chains.forward, rules: [rule("-p tcp", "REJECT --reject-with tcp-reset", "refused: say so at once")] },
    ],
  };
}
