import test from "ava";
import fc from "fast-check";
import type { RequestCondition, ValueSource } from "../../../../protocol/route-table.ts";
import type { RequestFacts } from "../../../../routing/http/request-facts.ts";
import { requestValue } from "../../../../routing/http/request-value.ts";
import { satisfiesCondition } from "../../../../routing/http/satisfies-condition.ts";

const FACTS: RequestFacts = {
  source: { namespace: "shop", uid: "shop/web-1" },
  identity: "spiffe://cluster.local/ns/shop/sa/web",
  service: "shop/catalog",
  port: 80,
  scheme: "http",
  method: "GET",
  target: "/items?user=q",
  authority: "catalog",
  headers: new Map<string, string | readonly string[]>([
    ["x-user", "ann"],
    ["cookie", ["a=1; user=c; empty=", ' user=second; quoted="x"']],
  ]),
  random: 0,
  mirrorRandom: 0,
};

test("the value that tells a request apart comes from where the source says", (t) => {
  const cases: readonly (readonly [ValueSource, string | undefined])[] = [
    [{ from: "source" }, "shop/web-1"],
    [{ from: "identity" }, "spiffe://cluster.local/ns/shop/sa/web"],
    [{ from: "header", name: "x-user" }, "ann"],
    [{ from: "header", name: "x-none" }, undefined],
    [{ from: "query", name: "user" }, "q"],
    [{ from: "query", name: "use" }, undefined],
    [{ from: "cookie", name: "user" }, "c"],
    [{ from: "cookie", name: "empty" }, ""],
    [{ from: "cookie", name: "quoted" }, '"x"'],
    [{ from: "cookie", name: "us" }, undefined],
  ];
  for (const [source, value] of cases) t.is(requestValue(FACTS, source), value, JSON.stringify(source));
  t.is(requestValue({ ...FACTS, headers: new Map(), target: "/" }, { from: "cookie", name: "user" }), undefined);
});

test("all that a condition names must hold, and any of the values it gives for it", (t) => {
  const holds = (condition: RequestCondition, facts: Partial<RequestFacts> = {}) =>
    satisfiesCondition(condition, { ...FACTS, ...facts });
  const identities = ["spiffe://cluster.local/ns/other/sa/x", "spiffe://cluster.local/ns/shop/sa/web"];
  t.true(holds({ identities, namespaces: ["other", "shop"] }));
  t.false(holds({ identities, namespaces: ["other"] }));
  t.false(holds({ identities: identities.slice(0, 1) }));
  t.false(holds({ identities: [""] }, { identity: undefined }), "an identity that is not known is none");
});

test("claims are those of a verified token: plain ones, lists, levels, and names with dots", (t) => {
  const claims = {
    sub: "ann",
    age: 7,
    groups: ["a", "b"],
    realm: { roles: ["tester"], deep: { er: true } },
    "https://shop.example/plan": "gold",
    odd: { toString: "x" },
  };
  const holds = (name: string, ...values: readonly string[]) =>
    satisfiesCondition({ claims: [{ name, values }] }, { ...FACTS, claims });
  t.true(holds("sub", "bob", "ann"));
  t.true(holds("age", "7"));
  t.true(holds("groups", "b"));
  t.true(holds("realm.roles", "tester"));
  t.true(holds("realm.deep.er", "true"));
  t.true(holds("https://shop.example/plan", "gold"));
  t.false(holds("groups", "c"));
  t.false(holds("realm", "[object Object]"));
  t.false(holds("odd", "x"));
  t.false(holds("constructor.name", "Object"), "what objects have anyway is no claim");
  t.false(holds("groups.length", "2"));
  t.false(holds("sub.length", "3"));
  t.false(satisfiesCondition({ claims: [{ name: "sub", values: ["ann"] }] }, FACTS), "without a token");
  const both = [
    { name: "sub", values: ["ann"] },
    { name: "age", values: ["8"] },
  ];
  t.false(satisfiesCondition({ claims: both }, { ...FACTS, claims }), "all of them");
});

const among = (percent: number, user: string, seed = "shop/testers"): boolean =>
  satisfiesCondition(
    { users: { percent, by: { from: "header", name: "x-user" }, seed } },
    { ...FACTS, headers: new Map([["x-user", user]]) },
  );

test("a share of users is that share of them, and each is in or out for good", (t) => {
  const users = Array.from({ length: 20_000 }, (_, index) => `user-${index}`);
  for (const percent of [0.5, 5, 33.3, 50, 90]) {
    const share = (100 * users.filter((user) => among(percent, user)).length) / users.length;
    t.true(Math.abs(share - percent) < 1, `${percent} % are ${share} %`);
  }
  t.false(among(0, "ann"));
  t.true(users.every((user) => among(100, user)));
  t.false(satisfiesCondition({ users: { percent: 100, by: { from: "header", name: "x" }, seed: "" } }, FACTS));
});

test("raising the share keeps those who were in", (t) => {
  const percent = fc.double({ min: 0, max: 100, noNaN: true });
  fc.assert(
    fc.property(fc.string(), fc.string(), percent, percent, (user, seed, one, other) => {
      const [less, more] = [Math.min(one, other), Math.max(one, other)];
      return !among(less, user, seed) || among(more, user, seed);
    }),
  );
  t.pass();
});

test("another seed chooses other users", (t) => {
  const users = Array.from({ length: 2_000 }, (_, index) => String(index));
  const both = users.filter((user) => among(50, user, "one") && among(50, user, "two")).length;
  t.true(Math.abs(both - 500) < 100, `${both} of 2000 are in both halves`);
});
