/** The key that makes an entry of the table unique among entries of its kind. */
import type { TableKind, TableKinds } from "../protocol/table.ts";

export const TABLE_KINDS = ["node", "workload", "service", "endpoint", "route"] as const satisfies readonly TableKind[];

const KEY_OF: { readonly [K in TableKind]: (entry: TableKinds[K]) => string } = {
  node: (entry) => entry.name,
  workload: (entry) => entry.uid,
  service: (entry) => entry.key,
  endpoint: (entry) => entry.key,
  route: (entry) => entry.key,
};

export function entryKey<K extends TableKind>(kind: K, entry: TableKinds[K]): string {
  return KEY_OF[kind](entry);
}
