/**
 * Our rules as text for a person, each under a comment that says why it is there: either as they should be, or as the
 * kernel has them.
 */
import type { AddressFamily } from "../../routing/address.ts";
import type { DesiredRules, PolicyRule } from "./desired-rules.ts";
import { DELIVER_TABLE } from "./marks.ts";
import { Chains, SET_MEANINGS, SKIP_PORT_SET, setName, type SetRole } from "./names.ts";
import { isJumpToOwnChain, isOwnChain, type TableDump } from "./parse-save.ts";
import { renderRule } from "./render-iptables.ts";
import type { KnownSet } from "./render-ipset.ts";
import { TABLE_NAMES, type TableRules } from "./rule.ts";

/** What `Netfilter.dump` found in the kernel. */
export interface RulesDump {
  readonly backend: string;
  readonly families: readonly {
    readonly family: AddressFamily;
    readonly tables: ReadonlyMap<string, TableDump>;
    readonly rules: readonly string[];
    readonly routes: string;
  }[];
  readonly sets: readonly KnownSet[];
}

/** A set's entries beyond these are only counted. */
const SHOWN_ENTRIES = 20;

export function describeRules(rules: DesiredRules | RulesDump): string {
  const sections = "backend" in rules ? describeDump(rules) : describeDesired(rules);
  return `${sections.map(([title, lines]) => [`== ${title} ==`, ...lines].join("\n")).join("\n\n")}\n`;
}

type Section = readonly [title: string, lines: readonly string[]];

function describeDesired(rules: DesiredRules): readonly Section[] {
  return [
    ...([4, 6] as const).flatMap((family) =>
      rules.families[family].tables.map((table): Section => [tableTitle(table.table, family), desiredTable(table)]),
    ),
    ["ipset", rules.sets.flatMap((set) => setLines(set.name, set.meaning, set.entries))],
    ["ip rule (IPv4 and IPv6)", rules.policy.flatMap(policyLines)],
    [`ip route, table ${DELIVER_TABLE} (IPv4 and IPv6)`, [rules.route]],
  ];
}

function describeDump(dump: RulesDump): readonly Section[] {
  const meanings = setMeanings();
  return [
    ...dump.families.flatMap(({ family, tables }) =>
      TABLE_NAMES.map(
        (name): Section => [`${tableTitle(name, family)}, iptables-${dump.backend}`, dumpedTable(tables.get(name))],
      ),
    ),
    ["ipset", dump.sets.flatMap((set) => setLines(set.name, meanings.get(set.name) ?? "", set.entries))],
    ...dump.families.flatMap(({ family, rules, routes }): readonly Section[] => [
      [`ip -${family} rule`, rules],
      [`ip -${family} route, table ${DELIVER_TABLE}`, routes === "" ? [] : routes.split("\n")],
    ]),
  ];
}

function tableTitle(table: string, family: AddressFamily): string {
  return `${table} (IPv${family})`;
}

function desiredTable({ jumps, chains }: TableRules): readonly string[] {
  const all = [
    ...jumps.map((jump) => [jump.from, jump.rule] as const),
    ...chains.flatMap((chain) => chain.rules.map((rule) => [chain.name, rule] as const)),
  ];
  return all.flatMap(([chain, rule]) => ruleLines(chain, renderRule(rule)));
}

function dumpedTable(dump: TableDump | undefined): readonly string[] {
  const lines: string[] = [];
  // iptables-save sorts by name; a reader follows the packet.
  const order: readonly string[] = Object.values(Chains);
  const chains = [...(dump?.chains ?? [])].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  for (const [chain, rules] of chains) {
    const ours = rules.filter((rule) => isOwnChain(chain) || isJumpToOwnChain(` ${rule}`));
    lines.push(...ours.flatMap((rule) => ruleLines(chain, rule)));
  }
  return lines;
}

/** The comment moves to a line of its own. */
function ruleLines(chain: string, rule: string): readonly string[] {
  const found = /-m comment --comment (?:"((?:[^"\\]|\\.)*)"|(\S+)) ?/.exec(rule);
  if (found === null) return [`-A ${chain} ${rule}`];
  return [`# ${found[1] ?? found[2] ?? ""}`, `-A ${chain} ${rule.replace(found[0], "")}`];
}

function setLines(name: string, meaning: string, entries: ReadonlySet<string>): readonly string[] {
  const shown = [...entries].sort().slice(0, SHOWN_ENTRIES);
  const more = entries.size - shown.length;
  const tail = more > 0 ? [`  ... and ${more} more`] : [];
  return [`# ${meaning}`, `${name} (${entries.size})`, ...shown.map((entry) => `  ${entry}`), ...tail];
}

function policyLines({ preference, selector, action, comment }: PolicyRule): readonly string[] {
  return [`# ${comment}`, `${preference}: from all ${selector} ${action}`.replace(/ {2,}/g, " ")];
}

function setMeanings(): ReadonlyMap<string, string> {
  const meanings = new Map([[SKIP_PORT_SET, "excluded ports"]]);
  for (const [role, meaning] of Object.entries(SET_MEANINGS)) {
    for (const family of [4, 6] as const) meanings.set(setName(role as SetRole, family), meaning);
  }
  return meanings;
}
