/** What every line of an agent's log says of itself, whichever thread says it. */
import type { LogFields } from "../../core/log.ts";

export function agentLogFields(node: string): LogFields {
  return { component: "agent", node };
}
