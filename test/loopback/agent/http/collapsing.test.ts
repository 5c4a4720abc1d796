/** Equal GETs at the same time, over real connections. */
import test from "ava";
import type { Collapsing, ConcurrencyLimit } from "../../../../protocol/route-table.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { forward, HttpWorld, type HttpWorldOptions } from "../../../support/http-world.ts";

const COLLAPSING: Collapsing = { policy: "shop/once", scope: "Service shop/catalog", headers: [], maxWaiting: 200 };
const CONCURRENCY: ConcurrencyLimit = {
  policy: "shop/once",
  scope: "Service shop/catalog",
  maxRequests: 1,
  maxWaiting: 0,
  maxWaitMs: 1_000,
};
const ASKED = 100;

function collapsing(port: number): HttpWorldOptions {
  return { origins: [port], lends: true, decide: (facts) => forward(facts, { rule: { collapsing: COLLAPSING } }) };
}

test("a hundred at once are one for the server", async (t) => {
  let asked = 0;
  let answer = (): void => {};
  const origin = await httpOrigin(t, (_request, response) => {
    asked += 1;
    answer = () => response.end("the same for all");
  });
  const world = await HttpWorld.create(t, collapsing(origin.port));
  const answers = Array.from({ length: ASKED }, async () => (await fetch(world.url)).text());
  await eventually("all to ask", () => world.metrics.gauges.requestsOpen === ASKED);
  await eventually("the server to be asked", () => asked === 1);
  answer();
  t.deepEqual(new Set(await Promise.all(answers)), new Set(["the same for all"]));
  t.is(asked, 1);
  t.is(world.counters()["collapsed shared"], ASKED - 1);
});

test("those that share an answer take one place in the concurrency limit, and it is given back", async (t) => {
  let answer = (): void => {};
  const origin = await httpOrigin(t, ({ url }, response) => {
    if (url === "/once") answer = () => response.end("the same for all");
    else response.end("other");
  });
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    decide: (facts) => forward(facts, { rule: { collapsing: COLLAPSING, concurrency: CONCURRENCY } }),
  });
  const answers = Array.from({ length: ASKED }, async () => (await fetch(`${world.url}/once`)).text());
  await eventually("all to ask", () => world.metrics.gauges.requestsOpen === ASKED);
  await eventually("the server to be asked", () => origin.accepted === 1);
  t.like(world.plane.protection.read([CONCURRENCY.scope]).gates, [{ inside: 1, waiting: 0 }]);
  const refused = await fetch(`${world.url}/other`);
  t.deepEqual([refused.status, refused.headers.get("hawser-reason")], [503, "concurrency-limit"]);
  t.regex(await refused.text(), /TrafficPolicy shop\/once/);
  answer();
  t.deepEqual(new Set(await Promise.all(answers)), new Set(["the same for all"]));
  t.is(await (await fetch(`${world.url}/other`)).text(), "other");
  t.is(world.counters()["policyRefusals shop/once concurrency-limit"], 1);
});

test("without a place in time, all that would share the answer are told", async (t) => {
  const clock = new FakeClock();
  const origin = await rawOrigin(t, (socket) => socket.resume());
  const concurrency = { ...CONCURRENCY, maxWaiting: 1 };
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    clock,
    decide: (facts) => forward(facts, { rule: { collapsing: COLLAPSING, concurrency } }),
  });
  const busy = fetch(`${world.url}/busy`);
  await eventually("the server to be asked", () => origin.accepted === 1);
  const answers = Array.from({ length: 10 }, async () =>
    (await fetch(`${world.url}/once`)).headers.get("hawser-reason"),
  );
  await eventually("all to ask", () => world.metrics.gauges.requestsOpen === 11);
  await eventually("one to wait", () => world.plane.protection.read([CONCURRENCY.scope]).gates[0]?.waiting === 1);
  clock.advance(concurrency.maxWaitMs);
  t.deepEqual(new Set(await Promise.all(answers)), new Set(["queue-timeout"]));
  t.is(world.counters()["policyRefusals shop/once queue-timeout"], 10);
  t.is(origin.accepted, 1);
  for (const socket of origin.open) socket.destroy();
  t.is((await busy).status, 502);
  await world.settle();
  t.like(world.plane.protection.read([CONCURRENCY.scope]).gates, [{ inside: 0, waiting: 0 }]);
});

test("what is for one client is asked for by each", async (t) => {
  let asked = 0;
  const held: (() => void)[] = [];
  const origin = await httpOrigin(t, (_request, response) => {
    asked += 1;
    response.setHeader("set-cookie", `id=${asked}`);
    const answer = (): unknown => response.end("yours");
    if (asked === 1) held.push(answer);
    else answer();
  });
  const world = await HttpWorld.create(t, collapsing(origin.port));
  const answers = Array.from({ length: 10 }, async () => (await fetch(world.url)).headers.get("set-cookie"));
  await eventually("all to ask", () => world.connections.size === 10 && held.length === 1);
  held[0]?.();
  t.is(new Set(await Promise.all(answers)).size, 10);
  t.is(asked, 10);
});

test("one after the other are not collapsed", async (t) => {
  let asked = 0;
  const origin = await httpOrigin(t, (_request, response) => {
    asked += 1;
    response.end("x");
  });
  const world = await HttpWorld.create(t, collapsing(origin.port));
  for (let count = 0; count < 3; count += 1) await (await fetch(world.url)).text();
  t.is(asked, 3);
  t.is((await world.logged("request"))["detail"], undefined);
});

test("a client that does not read does not keep the others waiting", async (t) => {
  const parts = 64;
  const part = Buffer.alloc(256 * 1024, "x");
  let answer: (() => void) | undefined;
  const origin = await httpOrigin(t, (_request, response) => {
    answer = () => {
      for (let count = 0; count < parts; count += 1) response.write(part);
      response.end();
    };
  });
  const world = await HttpWorld.create(t, collapsing(origin.port));
  const stuck = await world.connect();
  stuck.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  const url = new URL(world.url);
  const socket = await world.connect();
  let received = 0;
  socket.on("data", (chunk: Buffer) => (received += chunk.length));
  socket.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
  t.truthy(url.port);
  await eventually("both to ask", () => world.metrics.gauges.requestsOpen === 2);
  const whenAsked = await eventually("the server to be asked", () => answer);
  whenAsked();
  await eventually("the whole answer", () => received > parts * part.length);
  t.like(world.counters(), { "collapsed shared": 1, "collapsed left-behind": 1, "limitHits collapsedBytes": 1 });
  stuck.destroy();
  socket.destroy();
  await world.settle();
});
