/** The SPIFFE identities that have a mesh pod on a node: what its agent needs certificates for. */
import type { TableState } from "../routing/table-state.ts";

export function localIdentities(table: TableState, node: string): Set<string> {
  const identities = new Set<string>();
  for (const workload of table.workloads()) {
    if (workload.node === node && workload.mesh) identities.add(table.identityOf(workload));
  }
  return identities;
}
