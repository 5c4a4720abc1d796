/** A sorted list of entries with some replaced, added and removed: the rest stays the same objects. Costs one pass. */
import type { TableKind, TableKinds } from "../protocol/table.ts";
import { compareText } from "./compare-text.ts";
import { entryKey } from "./entry-key.ts";

/** `before` is sorted by key, and so is the result. A key that is both removed and set is set. */
export function changeEntries<K extends TableKind>(
  kind: K,
  before: readonly TableKinds[K][],
  upserts: readonly TableKinds[K][],
  removals: ReadonlySet<string>,
): readonly TableKinds[K][] {
  if (upserts.length === 0 && removals.size === 0) return before;
  const fresh = [...upserts].sort((a, b) => compareText(entryKey(kind, a), entryKey(kind, b)));
  const after: TableKinds[K][] = [];
  let next = 0;
  for (const entry of before) {
    const key = entryKey(kind, entry);
    let upsert = fresh[next];
    while (upsert !== undefined && entryKey(kind, upsert) < key) {
      after.push(upsert);
      next += 1;
      upsert = fresh[next];
    }
    if (upsert !== undefined && entryKey(kind, upsert) === key) {
      after.push(upsert);
      next += 1;
    } else if (!removals.has(key)) after.push(entry);
  }
  return after.concat(fresh.slice(next));
}
