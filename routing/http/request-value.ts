/** The value of a request by which it is told apart from others: for shares of users, limits by value and hashing. */
import type { ValueSource } from "../../protocol/route-table.ts";
import { cookieValue } from "./cookie-value.ts";
import { queryValue } from "./query-value.ts";
import { headerValue, type RequestFacts } from "./request-facts.ts";

/** What values are taken from. */
export type ValueFacts = Pick<RequestFacts, "source" | "identity" | "target" | "authority" | "headers">;

/** Undefined: the request has none. */
export function requestValue(facts: ValueFacts, source: ValueSource): string | undefined {
  if (source.from === "source") return facts.source.uid;
  if (source.from === "identity") return facts.identity;
  if (source.from === "header") return headerValue(facts, source.name);
  if (source.from === "query") return queryValue(queryOf(facts.target), source.name);
  const cookies = headerValue(facts, "cookie");
  return cookies === undefined ? undefined : cookieValue(cookies, source.name);
}

function queryOf(target: string): string {
  const mark = target.indexOf("?");
  return mark === -1 ? "" : target.slice(mark + 1);
}
