/**
 * Writes rules as input of `iptables-restore --noflush` (pure). One table is one transaction: it changes from the old
 * rules to the new ones with nothing between, and not at all when any line is refused.
 *
 * Chains of others are never declared (a declaration flushes), policies never mentioned.
 */
import { MAX_COMMENT_LENGTH } from "./limits.ts";
import { CREATED_CHAIN } from "./names.ts";
import { isJumpToOwnChain, isOwnChain, type TableDump } from "./parse-save.ts";
import type { Chain, Jump, Rule, TableName, TableRules } from "./rule.ts";

/** The rules alone, as if the table were empty: what two states are compared by. */
export function renderTable(rules: TableRules): string {
  return renderTableChange(rules, undefined, false);
}

/**
 * What turns the table from `current` (undefined: it does not exist) into one with exactly our chains and jumps of
 * `rules`. `markCreated`: remember in the kernel that the table did not exist.
 */
export function renderTableChange(rules: TableRules, current: TableDump | undefined, markCreated: boolean): string {
  const wanted = rules.chains.map((chain) => chain.name);
  const stale = ownChains(current).filter((name) => name !== CREATED_CHAIN && !wanted.includes(name));
  const created = current?.chains.has(CREATED_CHAIN) === true || (current === undefined && markCreated);
  return script(rules.table, [
    ...[...wanted, ...stale, ...(created ? [CREATED_CHAIN] : [])].map((name) => `:${name} - [0:0]`),
    ...staleJumps(rules, current),
    ...rules.jumps.flatMap((jump) => jumpChange(jump, rules.table, current)),
    ...rules.chains.flatMap(renderChain),
    ...stale.map((name) => `-X ${name}`),
  ]);
}

/** Takes everything of ours out of the table; undefined when there is nothing. */
export function renderTableRemoval(table: string, current: TableDump): string | undefined {
  const chains = ownChains(current);
  if (chains.length === 0) return undefined;
  return script(table, [
    ...deletions(current, () => true),
    ...chains.map((name) => `-F ${name}`),
    ...chains.map((name) => `-X ${name}`),
  ]);
}

/** `-A CHAIN` is left out: the rule as a chain's listing has it. */
export function renderRule({ match, target, comment }: Rule): string {
  // Names come from documents: nothing in them may end the comment, or the line.
  const text = comment.replaceAll(/[^A-Za-z0-9 .,:;()/_-]/g, "?").slice(0, MAX_COMMENT_LENGTH);
  return `${match === "" ? "" : `${match} `}-m comment --comment "${text}" -j ${target}`;
}

/** Others' rules may come before ours in filter, where order among accepting and refusing rules is the host's business. */
export function mustBeFirst(table: string): boolean {
  return table !== "filter";
}

function script(table: string, lines: readonly string[]): string {
  return `${[`*${table}`, ...lines, "COMMIT"].join("\n")}\n`;
}

function renderChain({ name, rules }: Chain): readonly string[] {
  return rules.map((rule) => `-A ${name} ${renderRule(rule)}`);
}

function ownChains(current: TableDump | undefined): readonly string[] {
  return [...(current?.chains.keys() ?? [])].filter(isOwnChain);
}

/** Nothing when the jump is there once, as it should be and where it should be. */
function jumpChange({ from, rule }: Jump, table: TableName, current: TableDump | undefined): readonly string[] {
  const text = renderRule(rule);
  const rules = current?.chains.get(from) ?? [];
  const own = rules.filter((line) => isJumpToOwnChain(` ${line}`));
  const inPlace = own.length === 1 && own[0] === text && (!mustBeFirst(table) || rules[0] === text);
  if (inPlace) return [];
  return [...own.map((line) => `-D ${from} ${line}`), `-I ${from} 1 ${text}`];
}

/** Jumps of another version of us, from chains that this version does not use. */
function staleJumps(rules: TableRules, current: TableDump | undefined): readonly string[] {
  if (current === undefined) return [];
  const used = new Set<string>(rules.jumps.map((jump) => jump.from));
  return deletions(current, (chain) => !used.has(chain));
}

function deletions(current: TableDump, isWanted: (chain: string) => boolean): readonly string[] {
  const lines: string[] = [];
  for (const [chain, rules] of current.chains) {
    if (isOwnChain(chain) || !isWanted(chain)) continue;
    for (const line of rules) if (isJumpToOwnChain(` ${line}`)) lines.push(`-D ${chain} ${line}`);
  }
  return lines;
}
