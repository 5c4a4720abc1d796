/**
 * Everything that is known of a running lab at one moment: what the view shows and the report judges.
 *
 * Parts that do not answer are left out instead of failing the whole: a lab that is half broken is what one wants to see.
 */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { Lab } from "../lab-client.ts";
import type { LabStatus, WireSummary } from "../lab-status.ts";
import type { ClientStats } from "../shop/client-stats.ts";
import { type AgentMetrics, readAgentMetrics } from "./agent-metrics.ts";

export interface LabObservation {
  readonly takenMs: number;
  readonly status: LabStatus;
  readonly clients: readonly ClientStats[];
  /** Of the agents that answered. */
  readonly agents: readonly AgentMetrics[];
  /** Undefined: nothing captures. */
  readonly wire: WireSummary | undefined;
  /** Why the wire was not heard. */
  readonly wireError: string | undefined;
}

export type ObservedLab = Pick<Lab, "call" | "status" | "stateDir">;

/** In the lab's state directory: one JSON file per client pod (the pods' LAB_STATS_FILE). */
const STATS_DIRECTORY = "stats";

/** Rejects only when the lab itself does not answer. */
export async function observeLab(lab: ObservedLab, nowMs: number): Promise<LabObservation> {
  const status = await lab.status();
  const running = status.agents.filter((agent) => agent.state === "running");
  const nodes = [...new Set(running.map((agent) => agent.node))];
  const [clients, agents, wire] = await Promise.all([
    readClientStats(path.join(lab.stateDir, STATS_DIRECTORY)),
    Promise.all(nodes.map((node) => scrapeAgent(lab, node))),
    lab.call("captureSummary", {}).catch((error: unknown) => String(error)),
  ]);
  return {
    takenMs: nowMs,
    status,
    clients,
    agents: agents.filter((agent) => agent !== undefined),
    wire: typeof wire === "string" ? undefined : wire,
    wireError: typeof wire === "string" ? wire : undefined,
  };
}

async function scrapeAgent(lab: ObservedLab, node: string): Promise<AgentMetrics | undefined> {
  try {
    const answer = await lab.call("nodeHttp", { node, path: "/metrics" });
    return answer.status === 200 ? readAgentMetrics(node, answer.body) : undefined;
  } catch {
    return undefined;
  }
}

async function readClientStats(directory: string): Promise<readonly ClientStats[]> {
  const names = await readdir(directory).catch(() => []);
  const files = names.filter((name) => name.endsWith(".json"));
  const stats = await Promise.all(files.map((name) => readStatsFile(path.join(directory, name))));
  return stats.filter((one) => one !== undefined);
}

/** Undefined when the pod has just gone. */
async function readStatsFile(file: string): Promise<ClientStats | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as ClientStats;
  } catch {
    return undefined;
  }
}
