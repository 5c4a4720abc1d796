/** Policies about load and failure on the wire: limits, breakers, sizes and faults between a client and a real server. */
import test from "ava";
import { WorkerQuotas } from "../../../../agent/quota/worker-quotas.ts";
import type {
  CircuitBreaker,
  ConcurrencyLimit,
  Fault,
  RateLimit,
  RouteRule,
} from "../../../../protocol/route-table.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { answering, httpOrigin, rawOrigin, type TearsDown } from "../../../support/http-origin.ts";
import { forward, HttpWorld, type HttpWorldOptions } from "../../../support/http-world.ts";
import { PodProbe } from "../../../support/socket-pair.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET = "GET / HTTP/1.1\r\nHost: c\r\n\r\n";
const PART = { policy: "shop/p", scope: "Service shop/catalog" };
const CONCURRENCY: ConcurrencyLimit = { ...PART, maxRequests: 1, maxWaiting: 1, maxWaitMs: 1_000 };
const BREAKER: CircuitBreaker = {
  ...PART,
  windowMs: 10_000,
  minRequests: 3,
  errorPercent: 50,
  openMs: 5_000,
  halfOpenRequests: 2,
};
const RATE: RateLimit = { ...PART, requests: 2, perMs: 1_000, burst: 2 };
const FAULT: Fault = { ...PART, percent: 100, untilMs: Date.UTC(2100, 0, 1) };

async function worldWith(
  t: TearsDown,
  rule: Partial<RouteRule>,
  options: Partial<HttpWorldOptions> = {},
): Promise<HttpWorld> {
  return await HttpWorld.create(t, { lends: true, decide: (facts) => forward(facts, { rule }), ...options });
}

test("a bulkhead: one is at the server, one waits, another is refused, and the place is given on", async (t) => {
  const origin = await rawOrigin(t, () => {});
  const world = await worldWith(t, { concurrency: CONCURRENCY }, { origins: [origin.port] });
  const [first, second] = [await world.connect(), await world.connect()];
  first.write(GET);
  await eventually("the server has the first", () => origin.open.size === 1);
  second.write("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\nhello");
  await eventually("the second waits", () => {
    world.plane.protection.report(undefined);
    return world.metrics.gauges.waitingRequests === 1;
  });
  const refused = await fetch(world.url);
  t.is(refused.status, 503);
  t.is(refused.headers.get("hawser-reason"), "concurrency-limit");
  t.regex(await refused.text(), /TrafficPolicy shop\/p/);
  t.like(await world.logged("request"), { reason: "concurrency-limit", status: 503, tries: 0 });
  t.is(origin.accepted, 1);
  first.destroy();
  await eventually("the server has the second", () => origin.accepted === 2);
  second.destroy();
});

test("a body that came while its request waited reaches the server", async (t) => {
  const origin = await httpOrigin(t);
  const clock = new FakeClock();
  const faults = [{ ...FAULT, delayMs: 300 }];
  const world = await worldWith(t, { faults }, { origins: [origin.port], clock });
  const asked = fetch(world.url, { method: "POST", body: "x".repeat(200_000) });
  await eventually("it waits", () => clock.pendingTimers > 0 && world.connections.size === 1);
  await eventually("its delay runs", () => {
    clock.advance(100);
    return origin.accepted === 1;
  });
  const response = await asked;
  t.is(((await response.json()) as { body: string }).body.length, 200_000);
});

test("who waits too long is told so, and a client that leaves the line is no request at the server", async (t) => {
  const origin = await rawOrigin(t, () => {});
  const clock = new FakeClock();
  const concurrency = { ...CONCURRENCY, maxWaiting: 2 };
  const world = await worldWith(t, { concurrency }, { origins: [origin.port], clock });
  const [busy, leaving, waiting] = [await world.connect(), await world.connect(), await world.connect()];
  const probe = new PodProbe(waiting);
  const waits = (count: number) => () => {
    world.plane.protection.report(undefined);
    return world.metrics.gauges.waitingRequests === count;
  };
  busy.write(GET);
  await eventually("the server has it", () => origin.open.size === 1);
  leaving.write(GET);
  await eventually("one waits", waits(1));
  waiting.write(GET);
  await eventually("two wait", waits(2));
  leaving.destroy();
  await eventually("one waits", waits(1));
  clock.advance(1_000);
  await eventually("it is told", () => probe.text.includes("hawser-reason: queue-timeout"));
  t.is(origin.accepted, 1);
  busy.destroy();
  waiting.destroy();
  await world.settle();
  t.deepEqual(world.requests(), { "none client-gone": 2, "5xx queue-timeout": 1 });
  world.close();
  t.is(clock.pendingTimers, 0);
});

test("a server that fails opens the breaker, and closes it when it is back", async (t) => {
  let healthy = false;
  const origin = await httpOrigin(t, (_request, response) => {
    response.statusCode = healthy ? 200 : 500;
    response.end();
  });
  const clock = new FakeClock();
  const world = await worldWith(t, { breaker: BREAKER }, { origins: [origin.port], clock });
  const ask = async (): Promise<string> => {
    const response = await fetch(world.url);
    await response.text();
    return `${response.status} ${response.headers.get("hawser-reason") ?? "answered"}`;
  };
  for (let count = 0; count < 3; count += 1) t.is(await ask(), "500 answered");
  t.is(await ask(), "503 circuit-open");
  t.is((await fetch(world.url)).headers.get("retry-after"), "5");
  clock.advance(5_000);
  t.is(await ask(), "500 answered");
  t.is(await ask(), "503 circuit-open");
  healthy = true;
  clock.advance(5_000);
  for (let count = 0; count < 5; count += 1) t.is(await ask(), "200 answered");
});

test("a server that resets or does not answer opens the breaker; a client that leaves does not", async (t) => {
  const origin = await rawOrigin(t, (socket, index) => {
    if (index >= 3) socket.once("data", () => socket.resetAndDestroy());
  });
  const world = await worldWith(t, { breaker: BREAKER }, { origins: [origin.port] });
  for (let count = 1; count <= 3; count += 1) {
    const client = await world.connect();
    client.write(GET);
    await eventually("the server has it", () => origin.accepted === count);
    client.destroy();
    await eventually("it is given up", () => world.connections.size === 0);
  }
  for (let count = 0; count < 3; count += 1) t.is((await fetch(world.url)).headers.get("hawser-reason"), "reset");
  t.is((await fetch(world.url)).headers.get("hawser-reason"), "circuit-open");
});

test("a rate limit: 429 and when to come again", async (t) => {
  const origin = await rawOrigin(t, answering(OK));
  const clock = new FakeClock();
  const world = await worldWith(t, { rateLimits: [RATE] }, { origins: [origin.port], clock });
  t.is((await fetch(world.url)).status, 200);
  t.is((await fetch(world.url)).status, 200);
  const limited = await fetch(world.url);
  t.is(limited.status, 429);
  t.is(limited.headers.get("retry-after"), "1");
  t.is(limited.headers.get("hawser-reason"), "rate-limited");
  clock.advance(500);
  t.is((await fetch(world.url)).status, 200);
});

test("beyond a quota of the mesh: 429, with the wait, the quota's name and the policy; it is counted", async (t) => {
  const clock = new FakeClock();
  const origin = await rawOrigin(t, answering(OK));
  const quota = { ...PART, name: "shop/all", requests: 100, perMs: 60_000 };
  const quotas = new WorkerQuotas({ clock, post: () => {}, allowance: () => 1, onLimit: () => {} });
  const world = await worldWith(t, { quotas: [quota] }, { origins: [origin.port], clock, quotas });
  t.is((await fetch(world.url)).status, 200);
  quotas.setRates([{ name: "shop/all", rate: 1 / 2_500, burst: 1, reserve: 0, credit: 0 }]);
  const refused = await fetch(world.url);
  t.deepEqual([refused.status, refused.headers.get("hawser-reason")], [429, "quota"]);
  t.is(refused.headers.get("retry-after"), "3");
  t.regex(await refused.text(), /100 requests per 60000 ms for the whole mesh \(quota shop\/all\)/);
  clock.advance(2_500);
  t.is((await fetch(world.url)).status, 200);
});

test("a body that is said to be too large is refused before the server hears of it", async (t) => {
  const origin = await rawOrigin(t, answering(OK));
  const world = await worldWith(t, { sizes: { ...PART, requestBytes: 1_000 } }, { origins: [origin.port] });
  t.is((await fetch(world.url, { method: "POST", body: "x".repeat(1_000) })).status, 200);
  const { accepted } = origin;
  const refused = await fetch(world.url, { method: "POST", body: "x".repeat(1_001) });
  t.deepEqual([refused.status, refused.headers.get("hawser-reason")], [413, "request-too-large"]);
  t.is(origin.accepted, accepted);
});

test("a body that turns out to be too large: the server's connection is given up, the client is told", async (t) => {
  let seen = 0;
  const origin = await rawOrigin(t, (socket) => {
    socket.on("data", (chunk) => (seen += chunk.length));
  });
  const world = await worldWith(t, { sizes: { ...PART, requestBytes: 100_000 } }, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write("POST / HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n");
  const chunk = `2710\r\n${"x".repeat(10_000)}\r\n`;
  for (let count = 0; count < 9; count += 1) client.write(chunk);
  await eventually("the server has most of it", () => seen > 80_000);
  client.write(chunk + chunk);
  await eventually("the server's connection ends", () => origin.open.size === 0);
  await probe.saw("end");
  t.regex(probe.text, /^HTTP\/1\.1 413 [^]*hawser-reason: request-too-large/);
  client.destroy();
  await world.settle();
  t.deepEqual(world.requests(), { "4xx request-too-large": 1 });
});

test("a body that gets too large after the answer has begun breaks the answer off", async (t) => {
  const origin = await rawOrigin(t, (socket) => {
    socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"));
  });
  const world = await worldWith(t, { sizes: { ...PART, requestBytes: 10 } }, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write("POST / HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n");
  await eventually("the answer has begun", () => probe.text.endsWith("part"));
  client.write("b\r\nhello world\r\n");
  await probe.saw("error ECONNRESET");
  await world.settle();
  t.deepEqual(world.requests(), { "2xx request-too-large": 1 });
});

test("fields that are too large: 431", async (t) => {
  const origin = await rawOrigin(t, answering(OK));
  const world = await worldWith(t, { sizes: { ...PART, requestHeaderBytes: 1_000 } }, { origins: [origin.port] });
  t.is((await fetch(world.url, { headers: { "x-large": "x".repeat(500) } })).status, 200);
  const refused = await fetch(world.url, { headers: { "x-large": "x".repeat(1_000) } });
  t.deepEqual([refused.status, refused.headers.get("hawser-reason")], [431, "request-headers-too-large"]);
});

test("an answer that is said to be too large: 502; one that turns out to be is cut there", async (t) => {
  const sized = await rawOrigin(t, answering(`HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world`));
  const sizes = { ...PART, responseBytes: 10 };
  const world = await worldWith(t, { sizes }, { origins: [sized.port] });
  const refused = await fetch(world.url);
  t.deepEqual([refused.status, refused.headers.get("hawser-reason")], [502, "response-too-large"]);
  t.is((await fetch(world.url, { method: "HEAD" })).status, 200);
  const chunked = await rawOrigin(t, (socket) => {
    socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));
    socket.once("data", () => setImmediate(() => socket.write("6\r\n world\r\n0\r\n\r\n")));
  });
  const other = await worldWith(t, { sizes }, { origins: [chunked.port] });
  const client = await other.connect();
  const probe = new PodProbe(client);
  client.write(GET);
  await probe.saw("error ECONNRESET");
  t.false(probe.text.includes("world"));
  await other.settle();
  t.deepEqual(other.requests(), { "2xx response-too-large": 1 });
});

test("an abort instead of the server's answer, for those that the fault is for", async (t) => {
  const origin = await rawOrigin(t, answering(OK));
  const users = { percent: 100, by: { from: "header", name: "x-user" }, seed: "a" } as const;
  const faults = [{ ...FAULT, abort: { status: 418 }, when: { users } }];
  const world = await worldWith(t, { faults }, { origins: [origin.port] });
  const aborted = await fetch(world.url, { headers: { "x-user": "ann" } });
  t.deepEqual([aborted.status, aborted.headers.get("hawser-reason")], [418, "fault-abort"]);
  t.is((await fetch(world.url)).status, 200);
  t.is(origin.accepted, 1);
});

test("a bandwidth: all of the answer, in its time, the server held back meanwhile; as fast as it comes when it ends", async (t) => {
  const body = "0123456789".repeat(2 * 1024 * 1024);
  const origin = await rawOrigin(t, answering(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
  const clock = new FakeClock();
  const faults = [{ ...FAULT, bytesPerSecond: 100_000, untilMs: clock.nowMs() + 10_000 }];
  const world = await worldWith(t, { faults }, { origins: [origin.port], clock });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(GET);
  await eventually("a slice has come", () => probe.bytes >= 5_000);
  let passedMs = 0;
  await eventually("a second's worth has come", () => {
    clock.advance(50);
    passedMs += 50;
    t.true(probe.bytes < 100 * passedMs + 15_000, `${probe.bytes} bytes within ${passedMs} ms`);
    return probe.bytes > 100_000;
  });
  t.true(world.connections.heldBytes < 4 * 1024 * 1024, `${world.connections.heldBytes} bytes held`);
  clock.advance(10_000);
  await eventually("all of it has come", () => probe.bytes > body.length);
  t.true(probe.text.endsWith(body), "what was held is as it came");
  client.write(GET);
  await eventually("another one, now that it has ended", () => probe.bytes > 2 * body.length);
  client.destroy();
  await world.settle();
  t.deepEqual(world.requests(), { "2xx answered": 2 });
});

test("a client that leaves a slowed answer leaves nothing behind", async (t) => {
  const body = "0123456789".repeat(100_000);
  const origin = await rawOrigin(t, answering(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
  const clock = new FakeClock();
  const faults = [{ ...FAULT, bytesPerSecond: 1_000 }];
  const world = await worldWith(t, { faults }, { origins: [origin.port], clock });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(GET);
  await eventually("a part has come", () => probe.bytes > 0);
  client.destroy();
  await world.settle();
  t.deepEqual(world.requests(), { "2xx client-gone": 1 });
  world.close();
  t.is(clock.pendingTimers, 0);
});

const COLLAPSING = { ...PART, headers: [], maxWaiting: 1 };

for (const [where, more] of [
  ["", {}],
  [", also where equal requests are sent once", { collapsing: COLLAPSING }],
] as const) {
  test(`an upgraded connection counts as a request until it ends${where}`, async (t) => {
    const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    const origin = await rawOrigin(t, (socket) => {
      socket.once("data", () => socket.write(switching));
    });
    const concurrency = { ...CONCURRENCY, maxWaiting: 0 };
    const world = await worldWith(t, { concurrency, ...more }, { origins: [origin.port] });
    const client = await world.connect();
    const probe = new PodProbe(client);
    client.write("GET / HTTP/1.1\r\nHost: c\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    await eventually("it is upgraded", () => probe.text.startsWith("HTTP/1.1 101"));
    const refused = await world.connect();
    const refusedProbe = new PodProbe(refused);
    refused.write(GET);
    await eventually("another is refused", () => refusedProbe.text.includes("hawser-reason: concurrency-limit"));
    refused.destroy();
    client.resetAndDestroy();
    await eventually("both are gone", () => world.connections.size === 0);
    const next = await world.connect();
    const nextProbe = new PodProbe(next);
    next.write("GET / HTTP/1.1\r\nHost: c\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    await eventually("the next one is upgraded", () => nextProbe.text.startsWith("HTTP/1.1 101"));
    next.resetAndDestroy();
    await world.settle();
    t.deepEqual(world.requests(), { "1xx upgraded": 2, "5xx concurrency-limit": 1 });
  });
}
