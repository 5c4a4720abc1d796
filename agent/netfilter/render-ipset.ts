/**
 * Writes sets as input of `ipset restore` (pure): what turns the sets that are into those that should be.
 *
 * Additions of all sets come before removals of any, so that an address on its way from one set to another is in both for a moment,
 * and never in none.
 */
import type { SetDefinition } from "./desired-rules.ts";
import { MAX_SET_ENTRIES } from "./limits.ts";
import { NetfilterError } from "./netfilter-error.ts";
import { SET_PREFIX } from "./names.ts";

/** A set as the kernel has it. */
export interface KnownSet {
  readonly name: string;
  /** Type and options, as `setOptions` writes them. */
  readonly options: string;
  readonly entries: ReadonlySet<string>;
}

/** Empty when there is nothing to do. Throws NetfilterError `set-too-large`. */
export function renderSetChanges(known: ReadonlyMap<string, KnownSet>, wanted: readonly SetDefinition[]): string {
  const creations: string[] = [];
  const additions: string[] = [];
  const removals: string[] = [];
  for (const set of wanted) {
    if (set.entries.size > MAX_SET_ENTRIES) throw tooLarge(set);
    const current = known.get(set.name);
    if (current !== undefined && current.options !== setOptions(set)) {
      additions.push(...replacement(set, known));
      continue;
    }
    if (current === undefined) creations.push(`create ${set.name} ${setOptions(set)}`);
    for (const entry of set.entries)
      if (current?.entries.has(entry) !== true) additions.push(`add ${set.name} ${entry}`);
    for (const entry of current?.entries ?? []) if (!set.entries.has(entry)) removals.push(`del ${set.name} ${entry}`);
  }
  const lines = [...creations, ...additions, ...removals];
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/** Type, family and size. A later version may change sizes, but never the type behind a name: the kernel swaps only alike. */
export function setOptions({ type, family }: Pick<SetDefinition, "type" | "family">): string {
  if (family === undefined) return `${type} range 1-65535`;
  return `${type} family ${family === 4 ? "inet" : "inet6"} maxelem ${MAX_SET_ENTRIES}`;
}

/** Reads `ipset save`; only our sets, whatever else the host has. */
export function parseSets(save: string): ReadonlyMap<string, KnownSet> {
  const sets = new Map<string, { name: string; options: string; entries: Set<string> }>();
  for (const line of save.split("\n")) {
    const [verb, name = "", ...words] = line.trim().split(" ");
    if (!name.startsWith(SET_PREFIX)) continue;
    if (verb === "create") sets.set(name, { name, options: comparableOptions(words), entries: new Set() });
    else if (verb === "add") sets.get(name)?.entries.add(words[0] ?? "");
  }
  return sets;
}

/** Filled beside the old one, then swapped in: rules refer to it all the while. */
function replacement(set: SetDefinition, known: ReadonlyMap<string, KnownSet>): readonly string[] {
  const fresh = `${set.name}-new`;
  return [
    ...(known.has(fresh) ? [`destroy ${fresh}`] : []),
    `create ${fresh} ${setOptions(set)}`,
    ...[...set.entries].map((entry) => `add ${fresh} ${entry}`),
    `swap ${fresh} ${set.name}`,
    `destroy ${fresh}`,
  ];
}

/** Leaves out what the kernel chooses (hashsize, bucketsize, initval). */
function comparableOptions([type = "", ...words]: readonly string[]): string {
  const kept = [type];
  for (let index = 0; index + 1 < words.length; index += 2) {
    const [key = "", value = ""] = [words[index], words[index + 1]];
    if (["family", "maxelem", "range"].includes(key)) kept.push(key, value);
  }
  return kept.join(" ");
}

function tooLarge(set: SetDefinition): NetfilterError {
  return new NetfilterError(
    "set-too-large",
    `Cannot fill ipset ${set.name} (${set.meaning}) with ${set.entries.size} entries, the limit is ${MAX_SET_ENTRIES}`,
  );
}
