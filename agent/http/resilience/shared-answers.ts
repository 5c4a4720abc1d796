/**
 * When the answer to one request may be told to another one (RFC 9111 is the measure, without being a cache): of equal GETs
 * that are under way at once, and of a GET whose own answer has failed.
 */
import type { Fields } from "../fields.ts";

/** What makes an answer one for this request alone, unless the operator names it as part of what is asked. */
const PERSONAL = ["authorization", "cookie", "proxy-authorization"] as const;
/** What makes an answer another one: a part, or none at all. */
const CONDITIONAL = [
  "range",
  "if-range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
] as const;
const NOT_SHARED: ReadonlySet<string> = new Set(["private", "no-store"]);
/** RFC 9111 section 5.2.2: never without asking the server again. `s-maxage` says the same of shared caches. */
const NOT_STALE: ReadonlySet<string> = new Set([
  ...NOT_SHARED,
  "no-cache",
  "must-revalidate",
  "proxy-revalidate",
  "s-maxage",
]);

export interface AskedFor {
  readonly method: string;
  readonly fields: Fields;
}

/** `named`: fields that are compared, so that a request which has them is equal to others with the same values. */
export function mayShare({ method, fields }: AskedFor, named: readonly string[]): boolean {
  if (method !== "GET") return false;
  const isNamed = (key: string): boolean => named.includes(key);
  return (
    !PERSONAL.some((key) => fields.has(key) && !isNamed(key)) &&
    !CONDITIONAL.some((key) => fields.has(key) && !isNamed(key))
  );
}

/** While it arrives, with requests that are under way. */
export function isShared(answer: Fields): boolean {
  return !answer.has("set-cookie") && !hasDirective(answer, NOT_SHARED) && answer.get("vary")?.includes("*") !== true;
}

/** Later, when the server cannot be asked. */
export function isShownLater(answer: Fields): boolean {
  return isShared(answer) && !hasDirective(answer, NOT_STALE);
}

/** What an answer depends on, of the request that it was given to (RFC 9111 section 4.1). */
export type NominatedFields = readonly (readonly [key: string, value: string | undefined])[];

export function nominatedFields(answer: Fields, asked: Fields): NominatedFields {
  const names = answer.get("vary")?.split(",") ?? [];
  return names.map((name) => {
    const key = name.trim().toLowerCase();
    return [key, asked.get(key)] as const;
  });
}

/** The other request says the same where the answer depends on it. */
export function saysTheSame(nominated: NominatedFields, other: Fields): boolean {
  return nominated.every(([key, value]) => other.get(key) === value);
}

function hasDirective(answer: Fields, directives: ReadonlySet<string>): boolean {
  const control = answer.get("cache-control");
  if (control === undefined) return false;
  return control.split(",").some((each) => directives.has((each.split("=", 1)[0] as string).trim().toLowerCase()));
}
