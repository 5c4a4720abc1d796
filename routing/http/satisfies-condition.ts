/**
 * Whether a request is one of those that a condition is for. What is not known of a request (no identity, no verified
 * token, no value that tells users apart) never satisfies anything.
 */
import type { RequestCondition } from "../../protocol/route-table.ts";
import { combineHashes, hashText } from "../hash-text.ts";
import type { RequestFacts } from "./request-facts.ts";
import { requestValue } from "./request-value.ts";

export function satisfiesCondition(condition: RequestCondition, facts: RequestFacts): boolean {
  const { identities, namespaces, claims, users } = condition;
  if (namespaces !== undefined && !namespaces.includes(facts.source.namespace)) return false;
  if (identities !== undefined && !isOneOf(facts.identity, identities)) return false;
  if (claims?.every(({ name, values }) => hasClaim(facts.claims, name, values)) === false) return false;
  return users === undefined || isAmong(users, facts);
}

function isOneOf(value: string | undefined, values: readonly string[]): boolean {
  return value !== undefined && values.includes(value);
}

/** The claim, or one of a list, is one of the values. */
function hasClaim(claims: RequestFacts["claims"], name: string, values: readonly string[]): boolean {
  const claim = claimOf(claims, name);
  const found: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  return found.some((each) => isPlain(each) && values.includes(String(each)));
}

/** A claim of that very name (`https://shop.example/roles`), else the levels that its dots divide. */
function claimOf(claims: unknown, name: string): unknown {
  const whole = memberOf(claims, name);
  return whole === undefined ? name.split(".").reduce(memberOf, claims) : whole;
}

function memberOf(level: unknown, key: string): unknown {
  if (typeof level !== "object" || level === null || Array.isArray(level) || !Object.hasOwn(level, key))
    return undefined;
  return (level as Readonly<Record<string, unknown>>)[key];
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

const PERCENT = 100;
const HASHES = 2 ** 32;

/** Each user has a place in [0, 100) of its own: a larger share has all users of a smaller one, with the same seed. */
function isAmong({ percent, by, seed }: NonNullable<RequestCondition["users"]>, facts: RequestFacts): boolean {
  const user = requestValue(facts, by);
  if (user === undefined) return false;
  return (combineHashes(hashText(seed), hashText(user)) / HASHES) * PERCENT < percent;
}
