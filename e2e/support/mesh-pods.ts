/** The mesh of a lab on a real API server: its pods, and waiting until they agree with each other. */
import path from "node:path";
import type { Lab } from "../../lab/lab-client.ts";
import type { LabPodStatus } from "../../lab/lab-status.ts";
import { eventually } from "./eventually.ts";
import { kubectl, rolledOut } from "./kubectl.ts";

export const SYSTEM_NAMESPACE = "hawser-system";
export const MANIFESTS = path.resolve(import.meta.dirname, "../../daemonset");
const COMPONENT_LABEL = "app.kubernetes.io/component";
/** Generous: other stories may have the machine as well. */
const CONVERGED_MS = 30_000;

export async function meshPods(lab: Lab, component: "agent" | "controller"): Promise<readonly LabPodStatus[]> {
  const { pods } = await lab.status();
  return pods.filter((pod) => pod.namespace === SYSTEM_NAMESPACE && pod.labels[COMPONENT_LABEL] === component);
}

/** Resolves when there is one agent per node, and each is ready and has the latest table of its controller. */
export async function meshConverged(lab: Lab): Promise<void> {
  await eventually("all agents to be ready and up to date", { timeoutMs: CONVERGED_MS }, async () => {
    const { nodes, agents } = await lab.status();
    return agents.length === nodes.length && agents.every((agent) => agent.ready && agent.upToDate);
  });
}

export async function applyManifests(lab: Lab): Promise<void> {
  await kubectl(lab, ["apply", "--filename", MANIFESTS]);
  await rolledOut(lab, SYSTEM_NAMESPACE, "deployment/hawser-controller");
  await rolledOut(lab, SYSTEM_NAMESPACE, "daemonset/hawser-agent");
  await meshConverged(lab);
}

/** The part of an agent's `/config_dump` that stories look at. */
export interface AgentDump {
  readonly table: {
    readonly epoch: string;
    readonly sequence: number;
    readonly mesh: Readonly<Record<string, unknown>>;
    readonly nodes: readonly { readonly name: string; readonly agent: boolean }[];
  } | null;
}

export async function agentDump(lab: Lab, node: string): Promise<AgentDump> {
  return JSON.parse((await lab.call("nodeHttp", { node, path: "/config_dump" })).body) as AgentDump;
}

/** By node: epoch and sequence of the table that its agent has in force. */
export async function tablePositions(lab: Lab): Promise<Readonly<Record<string, string>>> {
  const { nodes } = await lab.status();
  const dumps = await Promise.all(nodes.map(({ name }) => agentDump(lab, name)));
  return Object.fromEntries(
    nodes.map(({ name }, index) => [name, `${dumps[index]?.table?.epoch} ${dumps[index]?.table?.sequence}`]),
  );
}
