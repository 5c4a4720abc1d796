/** `hawser status` as text (pure). */
import type { MeshStatus } from "./cluster/controller-status.ts";
import { columns } from "./columns.ts";

export function renderStatus(status: MeshStatus): string {
  const { nodes, workloads, services, agents, missing, stragglers, formerIssuer, problems, leader, p99Ms } = status;
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
    ...(problems.length === 0
      ? []
      : ["", "Refused, the last good state is in force:", ...problems.map((one) => `  ${one}`)]),
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
