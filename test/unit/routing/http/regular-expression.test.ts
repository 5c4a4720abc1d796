import test from "ava";
import fc from "fast-check";
import { RouteExpression } from "../../../../routing/http/regular-expression.ts";

test("an expression is for the whole text", (t) => {
  const expression = new RouteExpression("/items/[0-9]+");
  t.true(expression.test("/items/42"));
  t.false(expression.test("/items/42/"));
  t.false(expression.test("x/items/42"));
});

test("the literal beginning is what every text begins with that is taken", (t) => {
  const literal = (pattern: string) => new RouteExpression(pattern).literal;
  t.is(literal("/items/[0-9]+"), "/items/");
  t.is(literal("/items?/x"), "/item");
  t.is(literal("/a{2}"), "/");
  t.is(literal("/a|/b"), "");
  t.is(literal("(?i)/a"), "");
  t.is(literal("/a.b"), "/a");
  t.is(literal("^/a"), "");
  t.is(literal("/a(b)"), "/a");
});

test("it takes what V8 takes, for expressions that mean the same to both", (t) => {
  const part = fc.constantFrom(
    "/",
    "a",
    "b",
    ".",
    "[ab]",
    "(a|b)",
    "a*",
    "b+",
    "a?",
    "(?:/a)?",
    "[^/]+",
    "\\.",
    "a{2}",
  );
  const text = fc.array(fc.constantFrom("/", "a", "b", "."), { maxLength: 8 }).map((parts) => parts.join(""));
  const property = fc.property(
    fc.array(part, { minLength: 1, maxLength: 5 }),
    fc.array(text, { maxLength: 20 }),
    (parts, texts) => {
      const pattern = parts.join("");
      const expression = new RouteExpression(pattern);
      const native = new RegExp(`^(?:${pattern})$`, "u");
      for (const each of texts) t.is(expression.test(each), native.test(each), `${pattern} ${each}`);
    },
  );
  fc.assert(property, { numRuns: 500 });
});

test("no text takes long, nor makes an expression large", (t) => {
  const evil = new RouteExpression("(x+x+)+y");
  t.false(evil.test("x".repeat(100_000)));
  const ambiguous = new RouteExpression(".*a.{60}b");
  const texts = Array.from({ length: 20 }, (_, seed) =>
    Array.from({ length: 2_000 }, (_each, i) => ((i * i * (seed + 3)) % 7 < 3 ? "a" : "c")).join(""),
  );
  for (const text of texts) t.false(ambiguous.test(text));
  t.true(ambiguous.test(`${texts[0] ?? ""}a${"c".repeat(60)}b`));
});
