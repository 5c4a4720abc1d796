/** What turns one table into another: the entries that are new or different, and the keys that are gone. */
import type { MeshSettings, TableDelta, TableKind, TableKinds } from "../protocol/table.ts";
import type { TableContents } from "./compile.ts";
import { entryKey } from "./entry-key.ts";

/** A delta that has no number yet. */
export type TableChange = Omit<TableDelta, "epoch" | "sequence">;

/** Undefined when nothing is different. */
export function diffTables(before: TableContents, after: TableContents): TableChange | undefined {
  const mesh: MeshSettings | undefined = sameValue(before.mesh, after.mesh) ? undefined : after.mesh;
  const node = diffKind("node", before.nodes, after.nodes);
  const workload = diffKind("workload", before.workloads, after.workloads);
  const service = diffKind("service", before.services, after.services);
  const endpoint = diffKind("endpoint", before.endpoints, after.endpoints);
  const changes = [node, workload, service, endpoint];
  if (mesh === undefined && changes.every(({ upserts, removals }) => upserts.length + removals.length === 0)) {
    return undefined;
  }
  return {
    ...(mesh === undefined ? {} : { mesh }),
    upserts: {
      ...(node.upserts.length === 0 ? {} : { node: node.upserts }),
      ...(workload.upserts.length === 0 ? {} : { workload: workload.upserts }),
      ...(service.upserts.length === 0 ? {} : { service: service.upserts }),
      ...(endpoint.upserts.length === 0 ? {} : { endpoint: endpoint.upserts }),
    },
    removals: {
      ...(node.removals.length === 0 ? {} : { node: node.removals }),
      ...(workload.removals.length === 0 ? {} : { workload: workload.removals }),
      ...(service.removals.length === 0 ? {} : { service: service.removals }),
      ...(endpoint.removals.length === 0 ? {} : { endpoint: endpoint.removals }),
    },
  };
}

function diffKind<K extends TableKind>(
  kind: K,
  before: readonly TableKinds[K][],
  after: readonly TableKinds[K][],
): { readonly upserts: readonly TableKinds[K][]; readonly removals: readonly string[] } {
  const old = new Map(before.map((entry) => [entryKey(kind, entry), entry]));
  const upserts = after.filter((entry) => {
    const key = entryKey(kind, entry);
    const unchanged = sameValue(old.get(key), entry);
    old.delete(key);
    return !unchanged;
  });
  return { upserts, removals: [...old.keys()] };
}

/** Of JSON values. The order of keys does not matter, and a key without a value is like no key. */
function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((value, index) => sameValue(value, b[index]));
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const key in left) if (!sameValue(left[key], right[key])) return false;
  for (const key in right) if (left[key] === undefined && right[key] !== undefined) return false;
  return true;
}
