/**
 * Finds the match that a request is under, among all of one entry's: the first in order of precedence that it satisfies.
 * Only those that its path can satisfy are looked at.
 *
 *   exact paths      a map
 *   prefixes         a tree, the longest first
 *   suffixes, regex  one by one, as long as one could still win
 */
import type { RouteEntry, RouteKind } from "../../protocol/route-table.ts";
import { MatchList, RankedMatch } from "./match-list.ts";
import { PrefixTree } from "./prefix-tree.ts";
import { RouteExpression } from "./regular-expression.ts";
import type { RequestFacts } from "./request-facts.ts";
import { RuleInForce } from "./rule-in-force.ts";

interface ScannedMatch {
  readonly match: RankedMatch;
  readonly suffix: string | undefined;
  readonly expression: RouteExpression | undefined;
}

export class RouteMatcher {
  readonly kind: RouteKind;
  readonly #exact: ReadonlyMap<string, MatchList>;
  readonly #prefixes: PrefixTree<MatchList>;
  readonly #scanned: readonly ScannedMatch[];

  constructor({ kind, rules, matches }: RouteEntry) {
    this.kind = kind;
    const inForce = rules.map((rule) => new RuleInForce(rule));
    const exact = new Map<string, RankedMatch[]>();
    const prefixes = new Map<string, RankedMatch[]>();
    const scanned: ScannedMatch[] = [];
    for (const [rank, match] of matches.entries()) {
      const rule = inForce[match.rule];
      if (rule === undefined) continue;
      const ranked = new RankedMatch(rank, { kind, rule: rule.rule, match }, rule);
      const { type, value } = match.path;
      if (type === "exact") append(exact, value, ranked);
      else if (type === "prefix") append(prefixes, value, ranked);
      else if (type === "suffix") scanned.push({ match: ranked, suffix: value, expression: undefined });
      else scanned.push({ match: ranked, suffix: undefined, expression: new RouteExpression(value) });
    }
    this.#exact = toLists(exact);
    this.#prefixes = new PrefixTree(toLists(prefixes));
    this.#scanned = scanned;
  }

  /** `path` is normalized. */
  find(facts: RequestFacts, path: string, query: string): RankedMatch | undefined {
    let best = this.#exact.get(path)?.better(undefined, facts, query);
    for (let entry = this.#prefixes.longest(path); entry !== undefined; entry = entry.shorter) {
      best = entry.value.better(best, facts, query);
    }
    for (const { match, suffix, expression } of this.#scanned) {
      if (best !== undefined && match.rank > best.rank) break;
      if (suffix !== undefined && !path.endsWith(suffix)) continue;
      if (!match.isSatisfied(facts, query)) continue;
      if (expression === undefined || expression.test(path)) return match;
    }
    return best;
  }
}

function append(lists: Map<string, RankedMatch[]>, key: string, match: RankedMatch): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [match]);
  else list.push(match);
}

function toLists(matches: ReadonlyMap<string, readonly RankedMatch[]>): ReadonlyMap<string, MatchList> {
  return new Map([...matches].map(([path, list]) => [path, new MatchList(list)]));
}
