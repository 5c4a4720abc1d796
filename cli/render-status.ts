/** `hawser status` as text (pure). */
import type { MeshStatus } from "./cluster/controller-status.ts";
import { columns } from "./columns.ts";

const MS_PER_SECOND = 1_000;

export function renderStatus(status: MeshStatus): string {
  const { nodes, workloads, services, agents, missing, stragglers, formerIssuer, problems, quotas, leader, p99Ms } =
    status;
  const pace = p99Ms === undefined ? "" : `, changes in force within ${Math.ceil(p99Ms)} ms (p99)`;
  return [
    `mesh        ${nodes} nodes, ${workloads} pods, ${services} Services`,
    `converged   ${status.converged ? `yes${pace}` : "no"}`,
    ...(missing.length === 0 ? [] : [`no channel  ${missing.join(", ")}`]),
    ...(stragglers.length === 0 ? [] : [`behind      ${stragglers.join(", ")}`]),
    ...(formerIssuer.length === 0 ? [] : [`old issuer  ${formerIssuer.join(", ")}`]),
    "",
    ...columns(["CONTROLLER", "TABLE", "AGENTS", ""], replicaRows(status, leader)),
    "",
    ...columns(["NODE", "AGENT", "TABLE", "VERSION", "CONTROLLER"], agentRows(agents)),
    ...(quotas.length === 0 ? [] : ["", ...columns(["QUOTA", "REQUESTS", "WANTED", "LEASED"], quotaRows(quotas))]),
    ...(problems.length === 0 ? [] : ["", "Not in force:", ...problems.map((one) => `  ${one}`)]),
  ].join("\n");
}

function replicaRows({ replicas }: MeshStatus, leader: string | undefined): readonly (readonly string[])[] {
  return replicas.map(({ name, status }) => {
    if ("problem" in status) return [name, "-", "-", status.problem];
    const isLeader = leader !== undefined && (leader === name || leader.startsWith(`${name}_`));
    return [name, `${status.sequence}`, `${status.agents.length}`, isLeader ? "leader" : ""];
  });
}

function agentRows(agents: MeshStatus["agents"]): readonly (readonly string[])[] {
  return agents.map(({ node, ready, applied, version, replica }) => [
    node,
    ready ? "ready" : "not ready",
    `${applied ?? "-"}`,
    version,
    replica,
  ]);
}

function quotaRows(quotas: MeshStatus["quotas"]): readonly (readonly string[])[] {
  return quotas.map(({ name, requests, perMs, agents }) => [
    name,
    `${requests} in ${perMs / MS_PER_SECOND} s`,
    `${Math.round(agents.reduce((sum, { wanted }) => sum + wanted, 0))}`,
    agents.map(({ node, leased }) => `${node} ${Math.round(leased)}`).join(", "),
  ]);
}
