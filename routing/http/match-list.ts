/**
 * Matches for one and the same path, in order of precedence: finds the first that the rest of a request satisfies.
 *
 * A list of matches that differ by an exact header (a user, a version) may be long; those are filed under the header's
 * value, so that a request is compared with the ones it may satisfy. The order is kept by their ranks.
 */
import type { RequestCondition, RouteValueMatch } from "../../protocol/route-table.ts";
import { queryValue } from "./query-value.ts";
import { RouteExpression } from "./regular-expression.ts";
import type { RoutedBy } from "./request-decision.ts";
import { headerValue, type RequestFacts } from "./request-facts.ts";
import { satisfiesCondition } from "./satisfies-condition.ts";
import type { RuleInForce } from "./rule-in-force.ts";

/** Below this, comparing with all of them is as fast as looking one up. */
const FILED_FROM = 8;

interface Condition {
  readonly name: string;
  readonly value: string | undefined;
  readonly expression: RouteExpression | undefined;
}

export class RankedMatch {
  /** Position among all matches of the entry: the lower wins. */
  readonly rank: number;
  readonly by: RoutedBy;
  readonly rule: RuleInForce;
  readonly #method: string | undefined;
  readonly #headers: readonly Condition[];
  readonly #query: readonly Condition[];
  readonly #when: RequestCondition | undefined;

  constructor(rank: number, by: RoutedBy, rule: RuleInForce) {
    const { match } = by;
    this.rank = rank;
    this.by = by;
    this.rule = rule;
    this.#method = match.method;
    this.#headers = (match.headers ?? []).map(toCondition);
    this.#query = (match.query ?? []).map(toCondition);
    this.#when = match.when;
  }

  /** All but the path. */
  isSatisfied(facts: RequestFacts, query: string): boolean {
    if (this.#method !== undefined && this.#method !== facts.method) return false;
    for (const condition of this.#headers) {
      if (!holds(condition, headerValue(facts, condition.name))) return false;
    }
    for (const condition of this.#query) {
      if (!holds(condition, queryValue(query, condition.name))) return false;
    }
    return this.#when === undefined || satisfiesCondition(this.#when, facts);
  }
}

export class MatchList {
  readonly #unfiled: readonly RankedMatch[];
  /** Header -> its value -> matches that ask for it. */
  readonly #filed: readonly (readonly [header: string, byValue: ReadonlyMap<string, readonly RankedMatch[]>])[];

  /** In order of rank. */
  constructor(matches: readonly RankedMatch[]) {
    const filed = new Map<string, Map<string, RankedMatch[]>>();
    const unfiled: RankedMatch[] = [];
    for (const match of matches) {
      const exact = match.by.match.headers?.find(({ value }) => value !== undefined);
      if (matches.length < FILED_FROM || exact?.value === undefined) {
        unfiled.push(match);
        continue;
      }
      const byValue = filed.get(exact.name) ?? new Map<string, RankedMatch[]>();
      filed.set(exact.name, byValue);
      const siblings = byValue.get(exact.value);
      if (siblings === undefined) byValue.set(exact.value, [match]);
      else siblings.push(match);
    }
    this.#unfiled = unfiled;
    this.#filed = [...filed];
  }

  /** The first one of a lower rank than `best` has, else `best`. */
  better(best: RankedMatch | undefined, facts: RequestFacts, query: string): RankedMatch | undefined {
    let found = firstBelow(this.#unfiled, best, facts, query);
    for (const [header, byValue] of this.#filed) {
      const value = headerValue(facts, header);
      const matches = value === undefined ? undefined : byValue.get(value);
      if (matches !== undefined) found = firstBelow(matches, found, facts, query);
    }
    return found;
  }
}

function firstBelow(
  matches: readonly RankedMatch[],
  best: RankedMatch | undefined,
  facts: RequestFacts,
  query: string,
): RankedMatch | undefined {
  for (const match of matches) {
    if (best !== undefined && match.rank > best.rank) return best;
    if (match.isSatisfied(facts, query)) return match;
  }
  return best;
}

function toCondition({ name, value, regex }: RouteValueMatch): Condition {
  return { name, value, expression: regex === undefined ? undefined : new RouteExpression(regex) };
}

function holds({ value, expression }: Condition, found: string | undefined): boolean {
  if (found === undefined) return false;
  return expression === undefined ? found === value : expression.test(found);
}
