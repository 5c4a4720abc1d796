/** What answers mean for endpoints, and what requests are hashed by: with real servers behind, and a clock moved by hand. */
import type { RequestListener } from "node:http";
import test, { type ExecutionContext } from "ava";
import type { RouteRule } from "../../../../protocol/route-table.ts";
import type { OutlierSettings } from "../../../../protocol/table.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { forward, HttpWorld, type HttpWorldOptions } from "../../../support/http-world.ts";

const EJECTION = { consecutiveFailures: 5, baseEjectionMs: 1_000, maxEjectionMs: 60_000, maxEjectionPercent: 50 };

/** Two servers, of which the second one answers as it says. */
async function twoServers(t: ExecutionContext, second: RequestListener, options: HttpWorldOptions = {}) {
  const origins = await Promise.all([
    httpOrigin(t, (_, response) => response.end("first")),
    httpOrigin(t, (request, response) => second(request, response)),
  ]);
  const clock = new FakeClock();
  const ports = origins.map(({ port }) => port);
  const world = await HttpWorld.create(t, { origins: ports, clock, ejection: EJECTION, ...options });
  const ask = async (headers: Readonly<Record<string, string>> = {}, path = "/") => {
    const response = await fetch(`${world.url}${path}`, { headers });
    const text = await response.text().catch(() => "cut");
    return { text, status: response.status, cookie: response.headers.get("set-cookie") };
  };
  const texts = async (count: number) => {
    const all: string[] = [];
    for (let index = 0; index < count; index += 1) all.push((await ask()).text);
    return all;
  };
  return { world, clock, ask, texts };
}

const judged = (outlier: OutlierSettings): HttpWorldOptions => ({
  backend: { choice: { honorsRetryAfter: true, outlier } },
});
const of = (texts: readonly string[], text: string): number => texts.filter((each) => each === text).length;

test("a server that answers 500 is ejected, returns by a probe, and its share grows", async (t) => {
  let status = 500;
  const policy = judged({ consecutiveErrors: 3, returnMs: 10_000 });
  const { world, clock, texts } = await twoServers(
    t,
    (_, response) => response.writeHead(status).end("second"),
    policy,
  );
  await texts(6);
  t.deepEqual(world.balancerEvents, ["ejected consecutive-errors: 3 errors in a row"]);
  t.is(of(await texts(6), "second"), 0);
  status = 200;
  clock.advance(1_000);
  await texts(2);
  t.is(world.balancerEvents.at(-1), "returned");
  t.true(of(await texts(20), "second") <= 3);
  clock.advance(10_000);
  t.is(of(await texts(10), "second"), 5);
});

test("an answer that its server cuts short is an error, also when it began well", async (t) => {
  const cut: RequestListener = (_, response) => {
    response.writeHead(200, { "content-length": "10" }).write("half");
    setImmediate(() => response.destroy());
  };
  const { world, texts } = await twoServers(t, cut, judged({ consecutiveErrors: 3 }));
  await texts(6);
  t.deepEqual(world.balancerEvents, ["ejected consecutive-errors: 3 errors in a row"]);
});

test("a server that does not answer within the request's time is in error; a client that leaves early says nothing", async (t) => {
  const origin = await rawOrigin(t, () => {});
  const clock = new FakeClock();
  const rule: Partial<RouteRule> = { timeouts: { requestMs: 1_000 } };
  const origins = [origin.port, (await rawOrigin(t, () => {})).port];
  const decide: HttpWorldOptions["decide"] = (facts) => forward(facts, { rule });
  const world = await HttpWorld.create(t, {
    origins,
    clock,
    decide,
    ejection: EJECTION,
    ...judged({ consecutiveErrors: 1 }),
  });
  const left = await world.connect();
  left.write("GET / HTTP/1.1\r\nHost: c\r\n\r\n");
  await eventually("a request to be under way", () => origin.accepted === 1);
  left.destroy();
  await world.logged("request");
  t.deepEqual(world.balancerEvents, []);
  const late = fetch(world.url);
  await eventually("another one", () => world.dials === 2);
  clock.advance(1_000);
  t.is((await late).status, 504);
  t.deepEqual(world.balancerEvents, ["ejected consecutive-errors: 1 errors in a row"]);
});

test("a server that asks for a pause gets it, by seconds and by a date", async (t) => {
  let retryAfter = "2";
  const busy: RequestListener = (_, response) => response.writeHead(503, { "retry-after": retryAfter }).end("second");
  const { world, clock, texts } = await twoServers(t, busy);
  await texts(2);
  t.deepEqual(world.balancerEvents, ["paused 2000"]);
  t.is(of(await texts(6), "second"), 0);
  retryAfter = new Date(clock.nowMs() + 6_000).toUTCString();
  clock.advance(4_000);
  t.is(of(await texts(4), "second"), 1);
  t.is(world.balancerEvents.at(-1), "paused 2000");
});

test("Retry-After of a good answer, or one that nobody understands, is no pause", async (t) => {
  let [status, retryAfter] = [200, "60"];
  const { world, texts } = await twoServers(t, (_, response) => {
    response.writeHead(status, { "retry-after": retryAfter }).end("second");
  });
  await texts(2);
  [status, retryAfter] = [429, "soon"];
  await texts(2);
  t.deepEqual(world.balancerEvents, []);
});

const byHash = (hash: NonNullable<HttpWorldOptions["backend"]>["hash"]): HttpWorldOptions => ({
  backend: { loadBalancer: "hash", ...(hash === undefined ? {} : { hash }) },
});
const second: RequestListener = (_, response) => response.end("second");

test("requests with equal values of a header come to the same server, those of many values to all", async (t) => {
  const { ask, texts } = await twoServers(t, second, byHash({ from: "header", name: "x-user" }));
  const seen = new Set<string>();
  for (let user = 0; user < 20; user += 1) {
    const answers = await Promise.all(Array.from({ length: 4 }, () => ask({ "x-user": `user-${user}` })));
    const [one, ...others] = new Set(answers.map(({ text }) => text));
    t.deepEqual(others, []);
    seen.add(one ?? "");
  }
  t.is(seen.size, 2);
  // Without the header by least-request: both are idle, so chance decides, and it is the first one here.
  t.is(of(await texts(3), "cut"), 0);
});

test("a query parameter is a value as well", async (t) => {
  const { ask } = await twoServers(t, second, byHash({ from: "query", name: "user" }));
  const owner = async (user: string) => (await ask({}, `/items?page=1&user=${user}`)).text;
  const users = Array.from({ length: 20 }, (_, user) => `user-${user}`);
  const first = await Promise.all(users.map(owner));
  t.deepEqual(await Promise.all(users.map(owner)), first);
  t.is(new Set(first).size, 2);
});

test("a client without the cookie gets one that leads it back to the same server", async (t) => {
  const hash = { from: "cookie", name: "lane", path: "/shop", ttlMs: 3_600_000 } as const;
  const { ask } = await twoServers(t, second, byHash(hash));
  const seen = new Set<string>();
  for (let client = 0; client < 20; client += 1) {
    const { text, cookie } = await ask();
    t.regex(cookie ?? "", /^lane=[0-9a-f-]{36}; Path=\/shop; Max-Age=3600; HttpOnly; SameSite=Strict$/);
    const value = (cookie ?? "").split(";")[0] ?? "";
    for (let request = 0; request < 3; request += 1)
      t.deepEqual(await ask({ cookie: value }), { text, status: 200, cookie: null });
    seen.add(text);
  }
  t.is(seen.size, 2);
});

test("without a time of its own, a cookie ends with the client's session", async (t) => {
  const { ask } = await twoServers(t, second, byHash({ from: "cookie", name: "lane" }));
  t.regex((await ask()).cookie ?? "", /^lane=[0-9a-f-]{36}; Path=\/; HttpOnly; SameSite=Strict$/);
  t.regex((await ask({ cookie: "lane=" })).cookie ?? "", /^lane=[0-9a-f-]{36};/, "an empty one tells nobody apart");
});
