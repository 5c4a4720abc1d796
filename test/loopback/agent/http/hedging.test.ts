/** Second tries beside late ones, with real endpoints and a clock that is moved by hand. */
import test from "ava";
import type { Hedging, RouteRetry } from "../../../../protocol/route-table.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { answering, httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { forward, HttpWorld } from "../../../support/http-world.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BUDGET = { percent: 20, intervalMs: 10_000, minRetries: 10, minRetriesIntervalMs: 1_000 };
const HEDGING: Hedging = {
  policy: "shop/fast",
  scope: "Service shop/catalog",
  afterMs: 50,
  attempts: 1,
  budget: BUDGET,
};
const RETRY: RouteRetry = { attempts: 2, on: ["reset"], backoffMs: 1, budget: BUDGET };

test("while one endpoint is silent, another one answers; the silent one is let go", async (t) => {
  const clock = new FakeClock();
  const silent = await rawOrigin(t, (socket) => socket.resume());
  const quick = await rawOrigin(t, answering(OK));
  const world = await HttpWorld.create(t, {
    clock,
    origins: [silent.port, quick.port],
    decide: (facts) => forward(facts, { rule: { hedging: HEDGING } }),
  });
  const answer = fetch(world.url);
  await eventually("the first try", () => silent.accepted === 1);
  clock.advance(49);
  t.is(quick.accepted, 0);
  clock.advance(1);
  t.is(await (await answer).text(), "ok");
  await eventually("the first try to be given up", () => silent.open.size === 0);
  const line = await world.logged("request");
  t.like(line, { status: 200, reason: "answered", tries: 2, endpoint: `127.0.0.1:${quick.port}` });
  t.regex(String(line["detail"]), /tried 2 times at once, by policy shop\/fast/);
  t.like(world.counters(), { "hedges sent": 1, "hedges won": 1 });
});

test("a request that may not be done twice waits", async (t) => {
  const clock = new FakeClock();
  const slow = await rawOrigin(t, (socket) => socket.resume());
  const quick = await rawOrigin(t, answering(OK));
  const world = await HttpWorld.create(t, {
    clock,
    origins: [slow.port, quick.port],
    decide: (facts) => forward(facts, { rule: { hedging: HEDGING, timeouts: { requestMs: 1_000 } } }),
  });
  const answer = fetch(world.url, { method: "POST", body: "pay" });
  await eventually("the first try", () => slow.accepted === 1);
  clock.advance(1_000);
  t.is((await answer).headers.get("hawser-reason"), "request-timeout");
  t.is(quick.accepted, 0);
});

test("a body that has come goes to both", async (t) => {
  const clock = new FakeClock();
  const silent = await rawOrigin(t, (socket) => socket.resume());
  const quick = await httpOrigin(t);
  const world = await HttpWorld.create(t, {
    clock,
    origins: [silent.port, quick.port],
    decide: (facts) => forward(facts, { rule: { hedging: HEDGING } }),
  });
  const answer = fetch(world.url, { method: "PUT", body: "a whole body" });
  await eventually("the first try", () => silent.accepted === 1);
  await eventually("its body", () => world.plane.upstreams.size === 1);
  clock.advance(50);
  t.like(await (await answer).json(), { method: "PUT", body: "a whole body" });
});

test("a client that leaves ends both tries", async (t) => {
  const clock = new FakeClock();
  const one = await rawOrigin(t, (socket) => socket.resume());
  const two = await rawOrigin(t, (socket) => socket.resume());
  const world = await HttpWorld.create(t, {
    clock,
    origins: [one.port, two.port],
    decide: (facts) => forward(facts, { rule: { hedging: HEDGING } }),
  });
  const socket = await world.connect();
  socket.write("GET / HTTP/1.1\r\nHost: c\r\n\r\n");
  await eventually("the first try", () => one.accepted === 1);
  clock.advance(50);
  await eventually("the second try", () => two.accepted === 1);
  socket.destroy();
  await eventually("both to end", () => one.open.size + two.open.size === 0);
  await world.settle();
  t.deepEqual([one.accepted, two.accepted], [1, 1]);
});

test("retries are the first try's: under an outage a hedge adds one try, not as many again", async (t) => {
  const clock = new FakeClock();
  const silent = await rawOrigin(t, (socket) => socket.resume());
  const broken = await rawOrigin(t, (socket) => socket.once("data", () => socket.resetAndDestroy()));
  const world = await HttpWorld.create(t, {
    clock,
    origins: [silent.port, broken.port],
    decide: (facts) => forward(facts, { rule: { hedging: HEDGING, retry: RETRY, timeouts: { requestMs: 500 } } }),
  });
  const answer = fetch(world.url);
  await eventually("the first try", () => silent.accepted === 1);
  clock.advance(50);
  await eventually("the second try to have failed", () => broken.accepted === 1 && broken.open.size === 0);
  clock.advance(450);
  t.is((await answer).status, 504);
  t.deepEqual([silent.accepted, broken.accepted], [1, 1]);
});
