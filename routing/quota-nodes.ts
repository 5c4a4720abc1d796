/**
 * The nodes that a quota is divided among when nobody knows the demand: those with an agent and a pod of the mesh that can
 * send requests. A node that died keeps its agent's mark, but its pods are unready soon, and its part is the others'.
 */
import type { NodeEntry, WorkloadEntry } from "../protocol/table.ts";

export function quotaNodes(table: {
  readonly nodes: Iterable<NodeEntry>;
  readonly workloads: Iterable<WorkloadEntry>;
}): ReadonlySet<string> {
  const withAgent = new Set<string>();
  for (const { name, agent } of table.nodes) if (agent) withAgent.add(name);
  const withPods = new Set<string>();
  for (const { node, mesh, state } of table.workloads) {
    if (mesh && state !== "unready" && withAgent.has(node)) withPods.add(node);
  }
  return withPods;
}
