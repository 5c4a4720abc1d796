/**
 * Which identities the table places on which node: the one rule of what an agent may have signed.
 */
import { formatIdentity } from "../protocol/identity.ts";
import type { TableSnapshot } from "../protocol/table.ts";

export class IdentityPlacement {
  readonly #byNode = new Map<string, Set<string>>();

  constructor(table: Pick<TableSnapshot, "mesh" | "workloads">) {
    for (const { mesh, node, namespace, serviceAccount } of table.workloads) {
      if (!mesh) continue;
      const identities = this.#byNode.get(node) ?? new Set();
      identities.add(formatIdentity({ trustDomain: table.mesh.trustDomain, namespace, serviceAccount }));
      this.#byNode.set(node, identities);
    }
  }

  /** A pod of the mesh with this identity is on this node, draining ones included. */
  isPlaced(identity: string, node: string): boolean {
    return this.#byNode.get(node)?.has(identity) ?? false;
  }
}
