/**
 * Regular expressions of routes: RE2 syntax, for the whole text, in time linear in its length whatever the expression
 * (no backtracking). A test takes some ten times as long as comparing a prefix, so a literal beginning is compared before.
 */
import { RE2Set } from "re2js";
import { MAX_EXPRESSION_BYTES } from "../limits.ts";

export class RouteExpression {
  /** What every text begins with that the expression takes. */
  readonly literal: string;
  /** A set of one: only of a set can the memory be bounded. */
  readonly #expression: RE2Set;

  /** Throws what RE2 throws for an expression that it does not take; documents were checked for that. */
  constructor(pattern: string) {
    this.literal = literalStart(pattern);
    this.#expression = new RE2Set(RE2Set.ANCHOR_BOTH, 0, MAX_EXPRESSION_BYTES);
    this.#expression.add(pattern);
    this.#expression.compile();
  }

  test(text: string): boolean {
    return text.startsWith(this.literal) && this.#expression.match(text).length > 0;
  }
}

/** Alternatives and flags could change it: then nothing. */
function literalStart(pattern: string): string {
  if (pattern.includes("|") || pattern.includes("(?")) return "";
  const [literal = ""] = /^[A-Za-z0-9/_~-]*/.exec(pattern) ?? [];
  // A quantifier is about the character before it.
  return /^[?*+{]/.test(pattern.slice(literal.length)) ? literal.slice(0, -1) : literal;
}
