/**
 * Which identities the table places on which node: the one rule of what an agent may have signed.
 */
import { formatIdentity } from "../protocol/identity.ts";
import type { TableSnapshot, WorkloadEntry } from "../protocol/table.ts";

export class IdentityPlacement {
  readonly #table: Pick<TableSnapshot, "mesh" | "workloads">;
  /** Made when it is asked for: most tables are replaced before anybody has something signed. */
  #byNode: ReadonlyMap<string, readonly WorkloadEntry[]> | undefined;

  constructor(table: Pick<TableSnapshot, "mesh" | "workloads">) {
    this.#table = table;
  }

  /** A pod of the mesh with this identity is on this node, draining ones included. */
  isPlaced(identity: string, node: string): boolean {
    const { trustDomain } = this.#table.mesh;
    this.#byNode ??= Map.groupBy(this.#table.workloads, (workload) => workload.node);
    return (this.#byNode.get(node) ?? []).some(
      ({ mesh, namespace, serviceAccount }) =>
        mesh && formatIdentity({ trustDomain, namespace, serviceAccount }) === identity,
    );
  }
}
