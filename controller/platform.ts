/**
 * What a mesh stands on: where its documents come from, who its agents are, where the authority and the presence of agents
 * are kept. Files on a plain machine, or a Kubernetes cluster; the controller never knows which.
 */
import type { TableSnapshot } from "../protocol/table.ts";
import type { AgentAuthenticator } from "./agent-authenticator.ts";
import type { AgentPresence } from "./agent-presence.ts";
import type { AuthorityStore } from "./authority-store.ts";
import type { QuotaLeader } from "./quota/quota-desk.ts";
import type { Source } from "./source.ts";

export interface Platform {
  readonly source: Source;
  readonly authenticator: AgentAuthenticator;
  readonly authority: AuthorityStore;
  readonly presence: AgentPresence;
  /** Once, after a first table is in force: whatever runs beside the parts above. `onLeader`: who leases quotas. */
  start(onLeader: (leader: QuotaLeader) => void): void;
  /** A table is in force: its nodes are those that there are. */
  setNodes(nodes: ReadonlySet<string>): Promise<void>;
  /** For the controller's /status. */
  status(): object;
  /** What `start` began; the parts above are closed by the controller. */
  close(): Promise<void>;
}

export function nodeNames(table: TableSnapshot): ReadonlySet<string> {
  return new Set(table.nodes.map((node) => node.name));
}
