/** Reads what iptables-save prints: tables, chains, and the rules of each chain in order. */
import { CHAIN_PREFIX } from "./names.ts";

export interface TableDump {
  /** Policy of a built-in chain, `-` for a user's. */
  readonly policies: ReadonlyMap<string, string>;
  /** Rules without `-A CHAIN`, in order. Every chain has an entry. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
}

/** Tables that do not exist are not printed, and so are not in the map. Comments and unknown lines are skipped. */
export function parseSave(text: string): ReadonlyMap<string, TableDump> {
  const tables = new Map<string, { policies: Map<string, string>; chains: Map<string, string[]> }>();
  let table: { policies: Map<string, string>; chains: Map<string, string[]> } | undefined;
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) {
      table = { policies: new Map(), chains: new Map() };
      tables.set(line.slice(1).trim(), table);
    } else if (line.startsWith(":")) {
      const [name = "", policy = "-"] = line.slice(1).split(" ");
      table?.policies.set(name, policy);
      table?.chains.set(name, []);
    } else if (line.startsWith("-A ")) {
      const end = line.indexOf(" ", 3);
      if (end > 0) table?.chains.get(line.slice(3, end))?.push(line.slice(end + 1).trimEnd());
    }
  }
  return tables;
}

export function isOwnChain(name: string): boolean {
  return name.startsWith(CHAIN_PREFIX);
}

/** True for a rule that leads to one of our chains. A rule of somebody else's that only mentions us in its comment is not. */
export function isJumpToOwnChain(rule: string): boolean {
  return rule.replace(/--comment (?:"(?:[^"\\]|\\.)*"|\S+)/g, "").match(/ -[jg] HAWSER-\S+/) !== null;
}

/** Rules of all chains: what back-end detection counts. Ours do not count. */
export function countForeignRules(tables: ReadonlyMap<string, TableDump>): number {
  let count = 0;
  for (const { chains } of tables.values()) {
    for (const [name, rules] of chains) {
      if (!isOwnChain(name)) count += rules.filter((rule) => !isJumpToOwnChain(` ${rule}`)).length;
    }
  }
  return count;
}
