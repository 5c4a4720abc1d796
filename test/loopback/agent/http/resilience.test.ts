/** Tries, timeouts, aborts and what is bounded, with raw origins and a clock that is moved by hand where time matters. */
import test from "ava";
import { httpLimits, httpTimers } from "../../../../agent/http/limits.ts";
import { limits, timers } from "../../../../agent/limits.ts";
import type { RouteRetry } from "../../../../protocol/route-table.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { answering, httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { forward, HttpWorld } from "../../../support/http-world.ts";
import { PodProbe } from "../../../support/socket-pair.ts";
import { NO_EJECTION } from "../../../support/outbound-world.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET = "GET / HTTP/1.1\r\nHost: c\r\n\r\n";
const post = (length: number, body: string): string =>
  `POST / HTTP/1.1\r\nHost: c\r\nContent-Length: ${length}\r\n\r\n${body}`;
/** Clients at once: a busy pod's, to one endpoint. */
const MANY = 200;
/** A port that nobody listens on. */
const NOBODY = 1;

const RETRY: RouteRetry = {
  attempts: 2,
  on: ["connect-failure", "reset", "gateway-error"],
  backoffMs: 20,
  budget: { percent: 20, intervalMs: 10_000, minRetries: 10, minRetriesIntervalMs: 1_000 },
};

test("an endpoint that does not accept: another one, with the body", async (t) => {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, { origins: [NOBODY, origin.port] });
  for (let count = 0; count < 4; count += 1) {
    const response = await fetch(world.url, { method: "POST", body: "hello" });
    t.is(response.status, 200);
    t.like(await response.json(), { body: "hello" });
  }
  t.deepEqual(world.requests(), { "2xx answered": 4 });
});

test("no endpoint accepts: 503 says why, and failed connects eject", async (t) => {
  const ejection = { ...NO_EJECTION, consecutiveFailures: 1 };
  const world = await HttpWorld.create(t, { origins: [NOBODY, 2], ejection });
  const response = await fetch(world.url, { method: "POST", body: "hello" });
  t.is(response.status, 503);
  t.is(response.headers.get("hawser-reason"), "no-endpoints");
  t.regex(await response.text(), /ECONNREFUSED/);
  t.like(await world.logged("request"), { reason: "no-endpoints", tries: 2 });
});

test("a kept connection that its server has just closed: a request that may be repeated is", async (t) => {
  // Each connection answers once, then it is closed as soon as the next request is there.
  const origin = await rawOrigin(t, (socket) => {
    socket.once("data", () => {
      socket.write(OK);
      socket.once("data", () => socket.resetAndDestroy());
    });
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  for (let count = 0; count < 3; count += 1) t.is(await (await fetch(world.url)).text(), "ok");
  t.is(origin.accepted, 3);
  const posted = await fetch(world.url, { method: "POST", body: "pay 100" });
  t.is(posted.status, 502);
  t.is(posted.headers.get("hawser-reason"), "reset");
  t.deepEqual(world.requests(), { "2xx answered": 3, "5xx reset": 1 });
});

test("a server that resets: 502, or another try when the route says so", async (t) => {
  const origin = await rawOrigin(t, (socket, index) => {
    socket.once("data", () => (index % 2 === 0 ? socket.resetAndDestroy() : socket.write(OK)));
  });
  const plain = await HttpWorld.create(t, { origins: [origin.port] });
  t.is((await fetch(plain.url)).headers.get("hawser-reason"), "reset");
  t.is(await (await fetch(plain.url)).text(), "ok");
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    decide: (facts) => forward(facts, { rule: { retry: RETRY } }),
  });
  const response = await fetch(world.url, { method: "POST", body: "hello" });
  t.is(await response.text(), "ok");
  t.like(await world.logged("request"), { tries: 2, status: 200 });
});

test("statuses are retried as the route says, and the last one is passed on", async (t) => {
  const unavailable = "HTTP/1.1 503 Unavailable\r\nContent-Length: 4\r\nX-Try: last\r\n\r\nbusy";
  const origin = await rawOrigin(t, answering(unavailable));
  const good = await rawOrigin(t, answering(OK));
  const decide = (facts: Parameters<typeof forward>[0]) => forward(facts, { rule: { retry: RETRY } });
  const world = await HttpWorld.create(t, { origins: [origin.port, good.port], decide });
  for (let count = 0; count < 4; count += 1) {
    t.is(await (await fetch(world.url, { method: "PUT", body: "x" })).text(), "ok");
  }
  const busy = await HttpWorld.create(t, { origins: [origin.port], decide });
  const response = await fetch(busy.url);
  t.is(response.status, 503);
  t.is(await response.text(), "busy");
  t.is(response.headers.get("x-try"), "last");
  t.like(await busy.logged("request"), { tries: 3, status: 503, reason: "answered" });
});

test("retries end when the budget is spent", async (t) => {
  const origin = await rawOrigin(t, answering("HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n"));
  const budget = { percent: 20, intervalMs: 60_000, minRetries: 0, minRetriesIntervalMs: 60_000 };
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    decide: (facts) => forward(facts, { rule: { retry: { ...RETRY, backoffMs: 0, budget } } }),
  });
  const count = 100;
  for (let index = 0; index < count; index += 1) t.is((await fetch(world.url)).status, 503);
  const tries = world.log.lines.reduce((sum, { fields }) => sum + ((fields["tries"] as number | undefined) ?? 0), 0);
  t.is(tries, count * 1.2);
});

test("a body beyond the bound is sent once", async (t) => {
  const seen: number[] = [];
  const origin = await rawOrigin(t, (socket, index) => {
    let bytes = 0;
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      seen[index] = bytes;
      if (bytes > httpLimits.replayBytes + 1_000) socket.resetAndDestroy();
    });
  });
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    decide: (facts) => forward(facts, { rule: { retry: RETRY } }),
  });
  const response = await fetch(world.url, { method: "PUT", body: Buffer.alloc(httpLimits.replayBytes * 4) });
  t.is(response.headers.get("hawser-reason"), "reset");
  t.is(origin.accepted, 1);
});

test("a route's timeout for the request: 504, and the server's connection is given up", async (t) => {
  const clock = new FakeClock();
  const origin = await rawOrigin(t, () => {});
  const world = await HttpWorld.create(t, {
    clock,
    origins: [origin.port],
    decide: (facts) => forward(facts, { rule: { timeouts: { requestMs: 300 } } }),
  });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(`${GET}${GET}`);
  await eventually("the server has it", () => origin.open.size === 1);
  clock.advance(300);
  await eventually("it is answered", () => probe.text.includes("hawser-reason: request-timeout"));
  t.regex(probe.text, /^HTTP\/1\.1 504 /);
  await eventually("the next one is under way", () => origin.accepted === 2);
  client.destroy();
  await world.settle();
  t.deepEqual(world.requests(), { "5xx request-timeout": 1, "none client-gone": 1 });
  world.close();
  t.is(clock.pendingTimers, 0);
});

test("a route's timeout for a try: another try, then 504", async (t) => {
  const clock = new FakeClock();
  const origin = await rawOrigin(t, () => {});
  const world = await HttpWorld.create(t, {
    clock,
    origins: [origin.port],
    decide: (facts) => forward(facts, { rule: { timeouts: { perTryMs: 100 }, retry: { ...RETRY, attempts: 1 } } }),
  });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(GET);
  await eventually("the first try", () => origin.accepted === 1);
  clock.advance(100);
  clock.advance(2 * RETRY.backoffMs);
  await eventually("the second try", () => origin.accepted === 2);
  clock.advance(100);
  await eventually("it is answered", () => probe.text.includes("hawser-reason: per-try-timeout"));
  client.destroy();
  await world.settle();
  world.close();
  t.is(clock.pendingTimers, 0);
});

test("a timeout in the middle of an answer: the client is reset, not given a part as the whole", async (t) => {
  const clock = new FakeClock();
  const origin = await rawOrigin(t, (socket) => {
    socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"));
  });
  const world = await HttpWorld.create(t, {
    clock,
    origins: [origin.port],
    decide: (facts) => forward(facts, { rule: { timeouts: { requestMs: 300 } } }),
  });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(GET);
  await eventually("the part", () => probe.text.endsWith("part"));
  clock.advance(300);
  await probe.saw("error ECONNRESET");
  await world.settle();
  t.deepEqual(world.requests(), { "2xx request-timeout": 1 });
});

test("an answer that breaks off: the client is reset", async (t) => {
  const origin = await rawOrigin(t, (socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"));
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(GET);
  await probe.saw("error ECONNRESET");
  await world.settle();
  t.deepEqual(world.requests(), { "2xx answer-cut-short": 1 });
});

for (const [name, text] of [
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"],
  ["no HTTP", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["101 that nobody asked for", "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"],
] as const) {
  test(`a server's answer with ${name} is a 502`, async (t) => {
    const origin = await rawOrigin(t, (socket) => {
      socket.once("data", () => socket.write(text));
    });
    const world = await HttpWorld.create(t, { origins: [origin.port] });
    const response = await fetch(world.url);
    t.is(response.status, 502);
    t.is(response.headers.get("hawser-reason"), "bad-response");
  });
}

test("bytes behind an answer are nobody's: the connection is not used again", async (t) => {
  const origin = await rawOrigin(t, answering(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`));
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(GET + GET + GET);
  await eventually("all are answered", () => probe.text.split("ok").length === 4);
  t.false(probe.text.includes("evil"));
  t.is(origin.accepted, 3);
  client.end();
  await world.settle();
});

test("a client that leaves cancels its request at the server", async (t) => {
  const origin = await rawOrigin(t, () => {});
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  for (const leave of ["end", "resetAndDestroy"] as const) {
    const client = await world.connect();
    client.write(GET);
    await eventually("the server has it", () => origin.open.size === 1);
    client[leave]();
    await eventually("the server's connection ends", () => origin.open.size === 0);
    client.destroy();
  }
  await world.settle();
  t.deepEqual(world.requests(), { "none client-gone": 2 });
});

test("a client that leaves in the middle of its body cancels it at the server", async (t) => {
  const origin = await rawOrigin(t, (socket) => socket.resume());
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  client.write(post(100, "part"));
  await eventually("the server has it", () => origin.open.size === 1);
  client.end();
  await eventually("the server's connection ends", () => origin.open.size === 0);
  client.destroy();
  await world.settle();
  t.deepEqual(world.requests(), { "none client-gone": 1 });
});

test("a client that has said that it is its last request may end its side and still get the answer", async (t) => {
  const origin = await rawOrigin(t, answering(OK));
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.end("GET / HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n");
  await probe.saw("end");
  t.true(probe.text.endsWith("ok"));
  await world.settle();
  t.deepEqual(world.requests(), { "2xx answered": 1 });
});

test("an answer before the body has come: passed on, said to be the last, and the connection closes", async (t) => {
  const origin = await rawOrigin(t, (socket) => {
    socket.once("data", () => socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"));
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(post(1_000_000, "part"));
  await probe.saw("end");
  t.regex(probe.text, /^HTTP\/1\.1 413 .*connection: close\r\n/s);
  client.end();
  await world.settle();
});

test("an answer before the rest of a small body: the rest is thrown away, and the next request is answered", async (t) => {
  const origin = await rawOrigin(t, (socket) => {
    socket.once("data", () => socket.write(OK));
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(post(1_000, "part"));
  await eventually("the answer", () => probe.text.endsWith("ok"));
  t.notRegex(probe.text, /connection/i);
  client.write("x".repeat(996) + GET);
  await eventually("another answer", () => probe.text.split("HTTP/1.1 200").length === 3);
  t.deepEqual(world.requests(), { "2xx answered": 2 });
  client.end();
  await world.settle();
});

test("as many clients as there are at once find their connections again", async (t) => {
  const origin = await rawOrigin(t, answering(OK));
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const clients = await Promise.all(Array.from({ length: MANY }, () => world.connect()));
  const probes = clients.map((client) => new PodProbe(client));
  for (let round = 1; round <= 3; round += 1) {
    for (const client of clients) client.write(GET);
    await eventually(`${round} answers each`, () => probes.every(({ text }) => text.split("ok").length === round + 1));
  }
  // Fewer, when some have their answers before others ask.
  t.true(origin.accepted <= MANY, `${origin.accepted}`);
  for (const client of clients) client.end();
  await world.settle();
});

test("half a head for too long: 408", async (t) => {
  const clock = new FakeClock();
  const world = await HttpWorld.create(t, { clock });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write("GET / HTTP/1.1\r\nHo");
  await eventually("it is read", () => world.connections.size === 1 && [...world.sockets][0]?.bytesRead === 18);
  // A byte now and then is no progress.
  for (let passedMs = 0; passedMs <= httpTimers.slowHeadMs + 2 * timers.sweepMs; passedMs += timers.sweepMs) {
    client.write("s");
    clock.advance(timers.sweepMs);
  }
  await probe.saw("end");
  t.regex(probe.text, /^HTTP\/1\.1 408 /);
  client.end();
  await world.settle();
  world.close();
  t.is(clock.pendingTimers, 0);
});

test("half a body and then nothing: 408, and the server's connection is given up", async (t) => {
  const clock = new FakeClock();
  const origin = await rawOrigin(t, (socket) => socket.resume());
  const world = await HttpWorld.create(t, { clock, origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(post(100, "part"));
  await eventually("the server has it", () => origin.open.size === 1);
  clock.advance(httpTimers.slowBodyMs + 3 * timers.sweepMs);
  await probe.saw("end");
  t.regex(probe.text, /^HTTP\/1\.1 408 /);
  await eventually("the server's connection ends", () => origin.open.size === 0);
  client.end();
  await world.settle();
  t.deepEqual(world.requests(), { "4xx slow-body": 1 });
});

test("what a client sends ahead is bounded", async (t) => {
  const origin = await rawOrigin(t, () => {});
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const client = await world.connect();
  client.write(GET);
  await eventually("the server has it", () => origin.open.size === 1);
  const flood = Buffer.from(GET.repeat(100_000));
  client.write(flood);
  const agentSide = [...world.sockets].find((socket) => socket.localPort === world.port);
  await eventually("it is not read any more", () => agentSide?.isPaused() === true);
  t.true((agentSide?.bytesRead ?? 0) < 1024 * 1024);
  client.destroy();
});

test("a client that asks and asks and does not read its answers is not read any more", async (t) => {
  const world = await HttpWorld.create(t, {
    decide: () => ({ kind: "respond", code: "no-match", status: 404, headers: [], responseHeaders: [], reason: "no" }),
  });
  const client = await world.connect();
  client.pause();
  client.write(Buffer.from(GET.repeat(1_000_000)));
  const agentSide = await eventually("it is paused", () => [...world.sockets].find((socket) => socket.isPaused()));
  t.true(agentSide.writableLength < 2 * limits.socketBufferBytes, `${agentSide.writableLength} bytes`);
  const read = agentSide.bytesRead;
  client.resume();
  await eventually("it is read again when it reads", () => agentSide.bytesRead > 2 * read);
  client.destroy();
  await world.settle();
});

test("a slow reader's connection to the server is as good as any for the next request", async (t) => {
  // More than the kernel's buffers hold.
  const body = "x".repeat(16 * 1024 * 1024);
  const origin = await rawOrigin(t, answering(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  for (let count = 0; count < 2; count += 1) {
    const client = await world.connect();
    client.write(GET);
    await eventually("the agent holds some of it", () =>
      [...world.sockets].some((socket) => socket.writableLength > 0),
    );
    const probe = new PodProbe(client);
    await eventually("all of it has come", () => probe.bytes > body.length);
    client.destroy();
  }
  await world.settle();
  t.is(origin.accepted, 1);
});

test("idle connections to servers end with their time, or the server's own", async (t) => {
  const clock = new FakeClock();
  const origin = await rawOrigin(
    t,
    answering(
      (count) => `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${count > 0 ? "Keep-Alive: timeout=5\r\n" : ""}\r\nok`,
    ),
  );
  const world = await HttpWorld.create(t, { clock, origins: [origin.port] });
  const client = await world.connect();
  const probe = new PodProbe(client);
  client.write(GET);
  await eventually("answered", () => probe.text.endsWith("ok") && world.plane.upstreams.idleCount === 1);
  clock.advance(httpTimers.idleUpstreamMs - httpTimers.idleSweepMs);
  t.is(world.plane.upstreams.idleCount, 1);
  client.write(GET);
  await eventually("answered", () => probe.text.split("ok").length === 3 && world.plane.upstreams.idleCount === 1);
  t.is(origin.accepted, 1);
  clock.advance(5_000);
  t.is(world.plane.upstreams.size, 0);
  await eventually("the server sees its end", () => origin.open.size === 0);
  client.destroy();
  await world.settle();
  world.close();
  t.is(clock.pendingTimers, 0);
});

test("a drain ends idle connections at once, and busy ones with their answer", async (t) => {
  const origin = await httpOrigin(t, (_request, response) => {
    setTimeout(() => response.end("done"), 50);
  });
  const world = await HttpWorld.create(t, { origins: [origin.port] });
  const [idle, busy] = [await world.connect(), await world.connect()];
  const [idleProbe, busyProbe] = [new PodProbe(idle), new PodProbe(busy)];
  busy.write(GET);
  await eventually("the server has it", () => origin.open.size === 1 && world.connections.size === 2);
  world.connections.drainAll();
  await idleProbe.saw("end");
  await busyProbe.saw("end");
  t.true(busyProbe.text.includes("connection: close"));
  t.regex(busyProbe.text, /done$/);
  idle.end();
  busy.end();
  await world.settle();
});
