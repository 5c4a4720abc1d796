/** What turns one table into another: the entries that are new or different, and the keys that are gone. */
import type { MeshSettings, TableDelta, TableKind, TableKinds } from "../protocol/table.ts";
import type { TableContents } from "./compile.ts";
import { entryKey } from "./entry-key.ts";
import { sameValue } from "./same-value.ts";

/** A delta that has no number yet. */
export type TableChange = Omit<TableDelta, "epoch" | "sequence">;

/** Undefined when nothing is different. */
export function diffTables(before: TableContents, after: TableContents): TableChange | undefined {
  const mesh: MeshSettings | undefined = sameValue(before.mesh, after.mesh) ? undefined : after.mesh;
  const node = diffKind("node", before.nodes, after.nodes);
  const workload = diffKind("workload", before.workloads, after.workloads);
  const service = diffKind("service", before.services, after.services);
  const endpoint = diffKind("endpoint", before.endpoints, after.endpoints);
  const route = diffKind("route", before.routes, after.routes);
  const changes = [node, workload, service, endpoint, route];
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
      ...(route.upserts.length === 0 ? {} : { route: route.upserts }),
    },
    removals: {
      ...(node.removals.length === 0 ? {} : { node: node.removals }),
      ...(workload.removals.length === 0 ? {} : { workload: workload.removals }),
      ...(service.removals.length === 0 ? {} : { service: service.removals }),
      ...(endpoint.removals.length === 0 ? {} : { endpoint: endpoint.removals }),
      ...(route.removals.length === 0 ? {} : { route: route.removals }),
    },
  };
}

function diffKind<K extends TableKind>(
  kind: K,
  before: readonly TableKinds[K][],
  after: readonly TableKinds[K][],
): { readonly upserts: readonly TableKinds[K][]; readonly removals: readonly string[] } {
  if (before === after) return { upserts: [], removals: [] };
  if (isSorted(kind, before) && isSorted(kind, after)) return diffSorted(kind, before, after);
  const old = new Map(before.map((entry) => [entryKey(kind, entry), entry]));
  const upserts = after.filter((entry) => {
    const key = entryKey(kind, entry);
    const unchanged = sameValue(old.get(key), entry);
    old.delete(key);
    return !unchanged;
  });
  return { upserts, removals: [...old.keys()] };
}

/** Tables as the compiler makes them: side by side, and entries that are the same object are passed without a look. */
function diffSorted<K extends TableKind>(
  kind: K,
  before: readonly TableKinds[K][],
  after: readonly TableKinds[K][],
): { readonly upserts: readonly TableKinds[K][]; readonly removals: readonly string[] } {
  const upserts: TableKinds[K][] = [];
  const removals: string[] = [];
  let next = 0;
  for (const entry of after) {
    let old = before[next];
    if (old === entry) {
      next += 1;
      continue;
    }
    const key = entryKey(kind, entry);
    while (old !== undefined && entryKey(kind, old) < key) {
      removals.push(entryKey(kind, old));
      next += 1;
      old = before[next];
    }
    const isKnown = old !== undefined && entryKey(kind, old) === key;
    if (isKnown) next += 1;
    if (!isKnown || !sameValue(old, entry)) upserts.push(entry);
  }
  for (const old of before.slice(next)) removals.push(entryKey(kind, old));
  return { upserts, removals };
}

/** And every key once. */
function isSorted<K extends TableKind>(kind: K, entries: readonly TableKinds[K][]): boolean {
  let last: string | undefined;
  for (const entry of entries) {
    const key = entryKey(kind, entry);
    if (last !== undefined && last >= key) return false;
    last = key;
  }
  return true;
}
