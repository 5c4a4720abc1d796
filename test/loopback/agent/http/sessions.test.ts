/** Sessions over real connections: where requests with a token go, and what clients are told. */
import test from "ava";
import type { RouteRule, RouteSession } from "../../../../protocol/route-table.ts";
import { httpOrigin, type Origin } from "../../../support/http-origin.ts";
import { forward, HttpWorld } from "../../../support/http-world.ts";

const COOKIE: RouteSession = { type: "cookie", name: "stay", path: "/", permanent: false };

async function setUp(t: Parameters<typeof httpOrigin>[0], session: RouteSession) {
  const origins: Origin[] = [];
  for (const name of ["one", "two", "three"]) {
    origins.push(await httpOrigin(t, (_request, response) => void response.setHeader("set-cookie", "own=1").end(name)));
  }
  const world: HttpWorld = await HttpWorld.create(t, {
    origins: origins.map(({ port }) => port),
    decide: (facts) => {
      const first = forward(facts, { rule: { session } });
      const rule: RouteRule = first.by.rule;
      const found = world.plane.sessions.find(rule, facts.headers, () => world.endpoints("shop/catalog"));
      return found === undefined ? first : { ...first, endpoint: found.endpoint };
    },
  });
  const ask = async (headers: Readonly<Record<string, string>> = {}) => {
    const response = await fetch(world.url, { headers });
    const cookie = response.headers.getSetCookie().find((each) => each.startsWith("stay="));
    return {
      name: await response.text(),
      cookie,
      header: response.headers.get("x-session"),
      all: response.headers.getSetCookie(),
    };
  };
  return { world, origins, ask };
}

test("a client with its cookie stays where it was, and is told nothing more", async (t) => {
  const { ask } = await setUp(t, COOKIE);
  const first = await ask();
  t.deepEqual(first.all.length, 2, "the server's own, and ours");
  const cookie = first.cookie?.split(";", 1)[0] ?? "";
  for (let count = 0; count < 20; count += 1) {
    const next = await ask({ cookie: `a=b; ${cookie}` });
    t.deepEqual([next.name, next.cookie], [first.name, undefined]);
  }
  t.is(
    new Set(await Promise.all(Array.from({ length: 6 }, async () => (await ask()).name))).size,
    3,
    "others are balanced",
  );
});

test("an endpoint that does not accept: another one, and a new cookie that holds from then on", async (t) => {
  const { ask, origins } = await setUp(t, COOKIE);
  const first = await ask();
  const cookie = first.cookie?.split(";", 1)[0] ?? "";
  origins[["one", "two", "three"].indexOf(first.name)]?.close();
  const moved = await ask({ cookie });
  t.not(moved.name, first.name);
  t.truthy(moved.cookie);
  const again = moved.cookie?.split(";", 1)[0] ?? "";
  for (let count = 0; count < 5; count += 1) t.is((await ask({ cookie: again })).name, moved.name);
});

test("a header does the same", async (t) => {
  const { ask } = await setUp(t, { type: "header", name: "x-session" });
  const first = await ask();
  t.is(first.cookie, undefined);
  for (let count = 0; count < 5; count += 1) {
    const next = await ask({ "x-session": first.header ?? "" });
    t.deepEqual([next.name, next.header], [first.name, null]);
  }
});
