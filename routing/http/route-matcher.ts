/**
 * Finds the match that a request is under, among all of one entry's: the first in order of precedence that it satisfies.
 * Only those that its path can satisfy are looked at.
 *
 *   exact paths      a map
 *   prefixes         a tree, the longest first
 *   suffixes, regex  with the prefix that they begin with, as long as one could still win
 */
import type { RouteEntry, RulesKind, RouteMatch } from "../../protocol/route-table.ts";
import { MatchList, RankedMatch } from "./match-list.ts";
import { PrefixTree } from "./prefix-tree.ts";
import { RouteExpression } from "./regular-expression.ts";
import type { RequestFacts } from "./request-facts.ts";
import { RuleInForce } from "./rule-in-force.ts";

/** What is under one prefix, each in order of rank. */
interface PrefixMatches {
  readonly whole: MatchList;
  /** The rest of the path is to be looked at too. */
  readonly partial: readonly PartialMatch[];
}

interface PartialMatch {
  readonly match: RankedMatch;
  readonly suffix: string | undefined;
  readonly expression: RouteExpression | undefined;
}

export class RouteMatcher {
  readonly kind: RulesKind;
  readonly #exact: ReadonlyMap<string, MatchList>;
  readonly #prefixes: PrefixTree<PrefixMatches>;

  constructor({ kind, rules, matches }: RouteEntry) {
    this.kind = kind;
    const inForce = rules.map((rule) => new RuleInForce(rule));
    const exact = new Map<string, RankedMatch[]>();
    const whole = new Map<string, RankedMatch[]>();
    const partial = new Map<string, PartialMatch[]>();
    for (const [rank, match] of matches.entries()) {
      const rule = inForce[match.rule];
      if (rule === undefined) continue;
      const ranked = new RankedMatch(rank, { kind, rule: rule.rule, match }, rule);
      const { type, value } = match.path;
      if (type === "exact") append(exact, value, ranked);
      else if (type === "prefix") append(whole, value, ranked);
      else append(partial, ...toPartial(match, ranked));
    }
    const prefixes = new Set([...whole.keys(), ...partial.keys()]);
    const under = (prefix: string): PrefixMatches => {
      return { whole: new MatchList(whole.get(prefix) ?? []), partial: partial.get(prefix) ?? [] };
    };
    this.#exact = new Map([...exact].map(([path, list]) => [path, new MatchList(list)]));
    this.#prefixes = new PrefixTree(new Map([...prefixes].map((prefix) => [prefix, under(prefix)])));
  }

  /** `path` is normalized. */
  find(facts: RequestFacts, path: string, query: string): RankedMatch | undefined {
    // Finding out that an empty map has no such key takes as long as in a full one: the path is to be hashed.
    let best = this.#exact.size === 0 ? undefined : this.#exact.get(path)?.better(undefined, facts, query);
    for (let entry = this.#prefixes.longest(path); entry !== undefined; entry = entry.shorter) {
      const { whole, partial } = entry.value;
      best = whole.better(best, facts, query);
      if (partial.length > 0) best = betterPartial(partial, best, facts, path, query);
    }
    return best;
  }
}

function betterPartial(
  partial: readonly PartialMatch[],
  best: RankedMatch | undefined,
  facts: RequestFacts,
  path: string,
  query: string,
): RankedMatch | undefined {
  for (const { match, suffix, expression } of partial) {
    if (best !== undefined && match.rank > best.rank) return best;
    if (suffix !== undefined && !path.endsWith(suffix)) continue;
    if (!match.isSatisfied(facts, query)) continue;
    if (expression === undefined || expression.test(path)) return match;
  }
  return best;
}

/** With the whole segments that every path of the match begins with. */
function toPartial({ path: { type, value } }: RouteMatch, match: RankedMatch): [prefix: string, PartialMatch] {
  if (type === "suffix") return ["", { match, suffix: value, expression: undefined }];
  const expression = new RouteExpression(value);
  const { literal } = expression;
  return [literal.slice(0, Math.max(0, literal.lastIndexOf("/"))), { match, suffix: undefined, expression }];
}

function append<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
