/** What clients get instead of an error, and what is told of it. */
import test, { type ExecutionContext } from "ava";
import type { Timer } from "../../../../core/clock.ts";
import type { CircuitBreaker, Fallback, RouteRetry, RouteRule } from "../../../../protocol/route-table.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { h2Call } from "../../../support/h2-call.ts";
import { h2Client } from "../../../support/h2-client.ts";
import { H2Origin } from "../../../support/h2-origin.ts";
import { httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { forward, HttpWorld, type HttpWorldOptions } from "../../../support/http-world.ts";
import { PodProbe } from "../../../support/socket-pair.ts";

const PART = { policy: "shop/softly", scope: "Service shop/catalog", on: [502, 503, 504] };
const SORRY: Fallback = {
  ...PART,
  response: { status: 200, headers: [["content-type", "text/plain"]], body: "sorry" },
};
const ELSEWHERE: Fallback = { ...PART, backend: { service: "shop/old", port: 80 } };
const LAST_GOOD: Fallback = { ...PART, lastGoodMs: 60_000 };
const BREAKER: CircuitBreaker = {
  ...PART,
  windowMs: 10_000,
  minRequests: 20,
  errorPercent: 50,
  openMs: 5_000,
  halfOpenRequests: 3,
};
/** A port that nobody listens on. */
const NOBODY = 1;

class WatchedClock extends FakeClock {
  readonly delays: number[] = [];

  override after(delayMs: number, run: () => void): Timer {
    this.delays.push(delayMs);
    return super.after(delayMs, run);
  }
}

async function worldWith(
  t: ExecutionContext,
  fallback: Fallback,
  options: HttpWorldOptions,
  rule: Partial<RouteRule> = {},
): Promise<HttpWorld> {
  return HttpWorld.create(t, {
    lends: true,
    decide: (facts) => forward(facts, { rule: { fallback, ...rule } }),
    ...options,
  });
}

test("a response of the policy, when no endpoint accepts", async (t) => {
  const world = await worldWith(t, SORRY, { origins: [NOBODY] });
  const response = await fetch(world.url, { method: "POST", body: "hello" });
  t.deepEqual([response.status, await response.text()], [200, "sorry"]);
  t.is(response.headers.get("hawser-reason"), "fallback");
  t.is(response.headers.get("content-type"), "text/plain");
  const line = await world.logged("request");
  t.like(line, { reason: "fallback", status: 200 });
  t.regex(String(line["detail"]), /^no-endpoints: .*ECONNREFUSED.*; instead, by policy shop\/softly, its response$/);
  t.deepEqual(world.requests(), { "2xx fallback": 1 });
});

test("the same in place of a server's answer, by its status; others pass", async (t) => {
  const origin = await httpOrigin(t, ({ url = "" }, response) => {
    response.writeHead(Number(url.slice(1))).end("theirs");
  });
  const world = await worldWith(t, SORRY, { origins: [origin.port] });
  const ask = async (status: number): Promise<string> => (await fetch(`${world.url}/${status}`)).text();
  t.is(await ask(503), "sorry");
  t.is(await ask(500), "theirs");
  t.is(await ask(404), "theirs");
  t.is(await ask(200), "theirs");
  await eventually("what was not wanted to end", () => world.plane.upstreams.size === world.plane.upstreams.idleCount);
});

test("a response to HEAD has no body", async (t) => {
  const world = await worldWith(t, SORRY, { origins: [NOBODY] });
  const response = await fetch(world.url, { method: "HEAD" });
  t.deepEqual([response.status, await response.text()], [200, ""]);
});

test("nor has one whose status allows none: what followed its head would be taken for the next answer", async (t) => {
  for (const status of [204, 304]) {
    const silent: Fallback = { ...PART, response: { status, headers: [], body: "HTTP/1.1 200 smuggled" } };
    const world = await worldWith(t, silent, { origins: [NOBODY] });
    const client = await world.connect();
    const probe = new PodProbe(client);
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    await probe.saw("end");
    t.is(probe.text.split(`HTTP/1.1 ${status} `).length - 1, 2);
    t.notRegex(probe.text, /smuggled/);
    client.destroy();
    const session = await h2Client(t, world);
    const answer = await h2Call(session, { ":path": "/" });
    t.deepEqual([answer.status, answer.body.length], [status, 0]);
    session.close();
  }
});

test("after all tries of the route", async (t) => {
  const retry: RouteRetry = {
    attempts: 2,
    on: [503],
    backoffMs: 1,
    budget: { percent: 20, intervalMs: 10_000, minRetries: 10, minRetriesIntervalMs: 1_000 },
  };
  let asked = 0;
  const origin = await httpOrigin(t, (_request, response) => {
    asked += 1;
    response.writeHead(503).end();
  });
  const world = await worldWith(t, SORRY, { origins: [origin.port] }, { retry });
  t.is(await (await fetch(world.url)).text(), "sorry");
  t.is(asked, 3);
});

test("another backend gets the request with its body, and its answer says so", async (t) => {
  const origin = await rawOrigin(t, (socket) => socket.once("data", () => socket.resetAndDestroy()));
  const old = await httpOrigin(t);
  const world = await worldWith(t, ELSEWHERE, { origins: [origin.port], others: { "shop/old": [old.port] } });
  const response = await fetch(world.url, { method: "POST", body: "hello" });
  t.is(response.headers.get("hawser-reason"), "fallback");
  t.like(await response.json(), { method: "POST", body: "hello" });
  const line = await world.logged("request");
  t.like(line, { reason: "fallback", status: 200, backend: "shop/old" });
  t.regex(String(line["detail"]), /^reset: .*; instead, by policy shop\/softly, backend shop\/old:80$/);
});

test("a body that was too long to be kept has no other backend", async (t) => {
  const origin = await rawOrigin(t, (socket) => {
    let bytes = 0;
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > 100_000) socket.resetAndDestroy();
    });
  });
  const old = await httpOrigin(t);
  const world = await worldWith(t, ELSEWHERE, { origins: [origin.port], others: { "shop/old": [old.port] } });
  const response = await fetch(world.url, { method: "POST", body: Buffer.alloc(110_000) });
  t.deepEqual([response.status, response.headers.get("hawser-reason")], [502, "reset"]);
  t.is(old.accepted, 0);
});

test("when the other backend fails too, what is left: the response, or its error", async (t) => {
  const others = { "shop/old": [NOBODY] };
  const both = await worldWith(t, { ...ELSEWHERE, ...SORRY }, { origins: [NOBODY], others });
  t.is(await (await fetch(both.url)).text(), "sorry");
  const one = await worldWith(t, ELSEWHERE, { origins: [NOBODY], others });
  const response = await fetch(one.url);
  t.deepEqual([response.status, response.headers.get("hawser-reason")], [503, "no-endpoints"]);
});

test("the last good answer, with its age, until it is too old", async (t) => {
  const clock = new FakeClock();
  let status = 200;
  let finish: (() => void) | undefined;
  const origin = await httpOrigin(t, ({ url }, response) => {
    response.writeHead(status, { etag: '"1"' }).write(`${status} `);
    if (status === 200) finish = () => response.end(`for ${url}`);
    else response.end(`for ${url}`);
  });
  const world = await worldWith(t, LAST_GOOD, { origins: [origin.port], clock });
  // In two reads: what is kept of the first one must be a copy.
  const good = await fetch(`${world.url}/a`);
  finish?.();
  t.is(await good.text(), "200 for /a");
  status = 503;
  clock.advance(7_000);
  const kept = await fetch(`${world.url}/a`);
  t.deepEqual([kept.status, await kept.text()], [200, "200 for /a"]);
  t.like(Object.fromEntries(kept.headers), { age: "7", etag: '"1"', "hawser-reason": "fallback" });
  t.is(await (await fetch(`${world.url}/b`)).text(), "503 for /b", "nothing is kept of it");
  clock.advance(60_000);
  t.is((await fetch(`${world.url}/a`)).status, 503);
});

test("a request that takes too long", async (t) => {
  const clock = new FakeClock();
  const origin = await rawOrigin(t, (socket) => socket.resume());
  const world = await worldWith(t, SORRY, { origins: [origin.port], clock }, { timeouts: { requestMs: 500 } });
  const answer = fetch(world.url);
  await eventually("the request", () => origin.accepted === 1);
  clock.advance(500);
  t.is(await (await answer).text(), "sorry");
  t.is(clock.pendingTimers > 0, true);
});

test("another backend that is asked late has the request's time once more", async (t) => {
  const clock = new FakeClock();
  const silent = await rawOrigin(t, (socket) => socket.resume());
  const old = await rawOrigin(t, (socket) => socket.resume());
  const options = { origins: [silent.port], others: { "shop/old": [old.port] }, clock };
  const world = await worldWith(t, ELSEWHERE, options, { timeouts: { requestMs: 500 } });
  const answer = fetch(world.url);
  await eventually("the request", () => silent.accepted === 1);
  clock.advance(500);
  await eventually("the other backend to be asked", () => old.accepted === 1);
  clock.advance(500);
  const response = await answer;
  t.deepEqual([response.status, response.headers.get("hawser-reason")], [504, "request-timeout"]);
});

test("a rule without a usable backend falls back as well", async (t) => {
  const old = await httpOrigin(t);
  const world = await worldWith(t, ELSEWHERE, {
    others: { "shop/old": [old.port] },
    decide: (facts) => {
      const { by } = forward(facts, { rule: { fallback: ELSEWHERE } });
      const [headers, responseHeaders] = [[], []];
      return { kind: "respond", code: "no-endpoints", status: 503, headers, responseHeaders, reason: "none", by };
    },
  });
  t.like(await (await fetch(world.url, { method: "POST", body: "hello" })).json(), { body: "hello" });
});

test("a gRPC server that says it is not available has another backend asked, with the call's time once more", async (t) => {
  const clock = new FakeClock();
  let code = "14";
  const origin = await H2Origin.create(t, (stream) => {
    clock.advance(300);
    stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": code }, { endStream: true });
  });
  const told: unknown[] = [];
  const old = await H2Origin.create(t, (stream, headers) => {
    told.push(headers["grpc-timeout"]);
    stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "0" }, { endStream: true });
  });
  const options = { origins: [origin.port], others: { "shop/old": [old.port] }, clock };
  const world = await worldWith(t, ELSEWHERE, options, { breaker: BREAKER });
  const session = await h2Client(t, world);
  const call = { ":method": "POST", ":path": "/", "content-type": "application/grpc", "grpc-timeout": "1S" };
  const { headers } = await h2Call(session, call, "x");
  t.like(headers, { "grpc-status": "0", "hawser-reason": "fallback" });
  t.deepEqual(told, ["1000m"]);
  t.like(await world.logged("request"), { reason: "fallback", grpcStatus: 0 });
  t.like(world.plane.protection.read([BREAKER.scope]), { breakers: [{ requests: 1, errors: 1 }] });
  code = "5";
  t.is((await h2Call(session, call, "x")).headers["grpc-status"], "5", "not found is an answer");
  session.close();
});

test("a request that is answered at once, and for which nothing falls back, needs no timer", async (t) => {
  const clock = new WatchedClock();
  const world = await worldWith(t, ELSEWHERE, {
    clock,
    decide: (facts) => {
      const { by } = forward(facts, { rule: { fallback: ELSEWHERE, timeouts: { requestMs: 60_000 } } });
      const [headers, responseHeaders] = [[], []];
      return { kind: "respond", code: "no-endpoints", status: 500, headers, responseHeaders, reason: "none", by };
    },
  });
  t.is((await fetch(world.url)).status, 500);
  t.false(clock.delays.includes(60_000));
});

test("a gRPC call gets no answer of HTTP", async (t) => {
  const world = await worldWith(t, SORRY, { origins: [NOBODY] });
  const session = await h2Client(t, world);
  const answer = await h2Call(session, { ":method": "POST", ":path": "/", "content-type": "application/grpc" }, "x");
  t.is(answer.status, 200);
  t.is(answer.headers["grpc-status"], "14");
  t.is(answer.headers["hawser-reason"], "no-endpoints");
  session.close();
});
