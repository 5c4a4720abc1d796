/** The taint that keeps pods from a node until its agent is ready: an operator gives it to new nodes, the leader takes it off. */
import type { NodeObject } from "./cluster-objects.ts";

export const AGENT_TAINT = "hawser.dev/agent-not-ready";

export function hasAgentTaint({ spec }: NodeObject): boolean {
  return spec?.taints?.some(({ key }) => key === AGENT_TAINT) ?? false;
}
