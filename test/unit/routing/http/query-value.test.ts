import test from "ava";
import fc from "fast-check";
import { cookieValue } from "../../../../routing/http/cookie-value.ts";
import { queryValue } from "../../../../routing/http/query-value.ts";

test("the first parameter of the name is decoded, names are exact", (t) => {
  const cases: readonly (readonly [query: string, name: string, expected: string | undefined])[] = [
    ["a=1", "a", "1"],
    ["a=1&a=2", "a", "1"],
    ["b=2&a=1", "a", "1"],
    ["A=1", "a", undefined],
    ["ab=1", "a", undefined],
    ["a", "a", ""],
    ["a&b=1", "a", ""],
    ["a=", "a", ""],
    ["a=b=c", "a", "b=c"],
    ["a=x%20y+z", "a", "x y z"],
    ["%61=1", "a", "1"],
    ["a+b=1", "a b", "1"],
    ["a%20b=1", "a b", "1"],
    ["a=%zz", "a", "%zz"],
    ["a=%ff", "a", "%ff"],
    ["&&a=1", "a", "1"],
    ["", "a", undefined],
    ["=1", "a", undefined],
    ["b&a=1=&c", "b", ""],
  ];
  for (const [query, name, expected] of cases) t.is(queryValue(query, name), expected, `${query} ${name}`);
});

test("a long query, and a long line of cookies, take no longer than they are long", (t) => {
  const startedMs = performance.now();
  const many = 1024 * 1024;
  t.is(queryValue(`${"&".repeat(many)}a=b`, "a"), "b");
  t.is(cookieValue(`${";".repeat(many)}a=b`, "a"), "b");
  t.is(cookieValue(";".repeat(many), "a"), undefined);
  // By looking for the next "=" from every separator on it would be ten seconds and more.
  t.true(performance.now() - startedMs < 1_000);
});

test("what URLSearchParams reads of a well-formed query is read here", (t) => {
  const name = fc.stringMatching(/^[a-c !+%&=é]{1,3}$/);
  const property = fc.property(
    fc.array(fc.tuple(name, fc.string({ maxLength: 4 })), { maxLength: 5 }),
    name,
    (pairs, asked) => {
      const parameters = new URLSearchParams(pairs);
      t.is(queryValue(parameters.toString(), asked), parameters.get(asked) ?? undefined);
    },
  );
  fc.assert(property, { numRuns: 2_000 });
});
