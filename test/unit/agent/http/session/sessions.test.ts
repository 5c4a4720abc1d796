import test from "ava";
import { readSessionToken } from "../../../../../agent/http/session/session-token.ts";
import { Sessions } from "../../../../../agent/http/session/sessions.ts";
import type { RouteBackend, RouteRule, RouteSession } from "../../../../../protocol/route-table.ts";
import type { Candidate } from "../../../../../routing/decide-connection.ts";
import { candidate } from "../../../../support/candidates.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

const COOKIE: RouteSession = { type: "cookie", name: "stay", path: "/shop", permanent: false };
const V1: RouteBackend = { service: "shop/v1", port: 80, weight: 1 };
const V2: RouteBackend = { service: "shop/v2", port: 80, weight: 0 };
const [ONE, TWO] = [candidate("one", { address: "10.0.0.1" }), candidate("two", { address: "10.0.0.2" })];
const ENDPOINTS: Readonly<Record<string, readonly Candidate[]>> = { "shop/v1": [ONE, TWO], "shop/v2": [ONE] };

function ruleWith(session: RouteSession, changes: Partial<RouteRule> = {}): RouteRule {
  return { route: "shop/catalog", index: 0, backends: [V1, V2], session, ...changes };
}

function setUp(session: RouteSession = COOKIE) {
  const clock = new FakeClock();
  const rule = ruleWith(session);
  const find = (headers: Readonly<Record<string, string>>, of = rule, sessions = new Sessions(clock)) =>
    sessions.find(of, new Map(Object.entries(headers)), ({ service }) => ENDPOINTS[service] ?? []);
  const begin = (backend = V1, endpoint = TWO, of = rule) =>
    new Sessions(clock).begin(of, backend, endpoint) ?? ["", ""];
  return { clock, rule, find, begin };
}

/** The pair that a client sends back. */
function pairOf(setCookie: string): string {
  return setCookie.split(";", 1)[0] ?? "";
}

test("a cookie leads back to its backend and endpoint, on any agent", (t) => {
  const { find, begin } = setUp();
  const [name, value] = begin();
  t.is(name, "Set-Cookie");
  t.deepEqual(find({ cookie: `a=b; ${pairOf(value)} ; c` }), { backend: V1, endpoint: TWO });
});

test("a backend that has lost its weight keeps its sessions", (t) => {
  const { find, begin } = setUp();
  t.like(find({ cookie: pairOf(begin(V2, ONE)[1]) }), { backend: V2, endpoint: ONE });
});

test("a session cookie says nothing of its life, a permanent one its seconds", (t) => {
  const pattern = /^stay=1[\w-]{20}[0-9a-z]+; Path=\/shop; HttpOnly; SameSite=Strict$/;
  t.regex(setUp().begin()[1], pattern);
  const permanent = setUp({ ...COOKIE, permanent: true, timeoutMs: 300_000 });
  t.regex(permanent.begin()[1], /; Path=\/shop; Max-Age=300; HttpOnly/);
});

test("a header carries the token in both directions", (t) => {
  const { find, begin } = setUp({ type: "header", name: "x-session" });
  const [name, token] = begin();
  t.is(name, "x-session");
  t.is(find({ "x-session": token })?.endpoint, TWO);
  t.is(find({ cookie: `x-session=${token}` }), undefined);
});

test("an endpoint that is gone, or is back with another address, begins anew", (t) => {
  const { clock, rule, begin } = setUp();
  const headers = new Map([["cookie", pairOf(begin()[1])]]);
  t.is(
    new Sessions(clock).find(rule, headers, () => [ONE]),
    undefined,
  );
  const again = { ...TWO, address: "10.0.0.9" };
  t.is(
    new Sessions(clock).find(rule, headers, () => [ONE, again]),
    undefined,
  );
});

test("rules do not share sessions, also of the same Service", (t) => {
  const { find, begin } = setUp();
  const cookie = pairOf(begin()[1]);
  t.is(find({ cookie }, ruleWith(COOKIE, { index: 1 })), undefined);
  t.is(find({ cookie }, ruleWith(COOKIE, { name: "other" })), undefined);
  t.is(find({ cookie }, ruleWith(COOKIE, { backends: [V2] })), undefined);
});

test("an invalid backend has no sessions, a rule without sessions begins none", (t) => {
  const { find, begin, rule } = setUp();
  const cookie = pairOf(begin()[1]);
  t.is(find({ cookie }, { ...rule, backends: [{ ...V1, problem: "BackendNotFound" }] }), undefined);
  const { session: _, ...without } = rule;
  t.is(new Sessions(new FakeClock()).begin(without, V1, ONE), undefined);
  t.is(find({ cookie }, without), undefined);
});

test("the absolute timeout holds, whatever the cookie's own life", (t) => {
  const { clock, find, begin } = setUp({ ...COOKIE, timeoutMs: 60_000 });
  const cookie = pairOf(begin()[1]);
  clock.advance(59_000);
  t.truthy(find({ cookie }));
  clock.advance(1_000);
  t.is(find({ cookie }), undefined);
});

test("what nobody of us has written begins anew: other values, changed ones, times to come", (t) => {
  const { clock, rule, find, begin } = setUp();
  const value = pairOf(begin()[1]);
  const token = value.slice("stay=".length);
  const later = new Sessions(new FakeClock(clock.nowMs() + 600_000)).begin(rule, V1, TWO)?.[1] ?? "";
  const made = [
    "",
    "1",
    "A9F3",
    token.slice(0, -8),
    `2${token.slice(1)}`,
    `${token}zzzz`,
    `1${"A".repeat(21)}`,
    "x".repeat(5_000),
  ];
  for (const wrong of made) t.is(find({ cookie: `stay=${wrong}` }), undefined, wrong);
  t.is(find({ cookie: pairOf(later) }), undefined);
  t.is(readSessionToken(`${token} `), undefined);
});

test("of several cookies of the name the first that leads somewhere counts, and few are looked at", (t) => {
  const { find, begin } = setUp();
  const good = pairOf(begin()[1]);
  t.is(find({ cookie: `stay=application; ${good}` })?.endpoint, TWO);
  t.is(find({ cookie: `${"stay=x; ".repeat(4)}${good}` }), undefined);
});

test("a token tells nothing of names and addresses", (t) => {
  const [, value] = setUp().begin();
  for (const secret of ["10.0.0.2", "two", "shop/v1", Buffer.from("10.0.0.2").toString("base64url")]) {
    t.false(pairOf(value).includes(secret));
  }
});
