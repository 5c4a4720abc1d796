/** Copies of requests: what mirrors get, and that whoever asks never notices them. */
import test from "ava";
import { httpLimits, httpTimers } from "../../../../agent/http/limits.ts";
import type { RouteMirror } from "../../../../protocol/route-table.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { answering, echo, httpOrigin, rawOrigin } from "../../../support/http-origin.ts";
import { forward, HttpWorld, type HttpWorldOptions } from "../../../support/http-world.ts";

const MIRROR: RouteMirror = { service: "shop/mirror", port: 80, numerator: 1, denominator: 1 };
/** A port that nobody listens on. */
const NOBODY = 1;

function mirrored(origin: number, mirror: readonly number[], more: HttpWorldOptions = {}): HttpWorldOptions {
  const decide: HttpWorldOptions["decide"] = (facts) => forward(facts, { mirrors: [MIRROR] });
  return { origins: [origin], others: { "shop/mirror": mirror }, decide, ...more };
}

test("a mirror gets the request with its body, the client the answer of its own", async (t) => {
  const seen: string[] = [];
  const origin = await httpOrigin(t);
  const mirror = await httpOrigin(t, (request, response) => {
    const { method, url, headers } = request;
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      seen.push(`${method} ${url} ${headers.host} ${String(headers["x-request-id"])} ${body}`);
      response.writeHead(500).end("not for you");
    });
  });
  const world = await HttpWorld.create(t, mirrored(origin.port, [mirror.port]));
  const asked = { method: "POST", body: "one two", headers: { "x-request-id": "7" } };
  const response = await fetch(`${world.url}/items?a=b`, asked);
  t.is(response.status, 200);
  t.like(await response.json(), { method: "POST", body: "one two" });
  await eventually("the mirror to have it", () => seen.length === 1);
  t.deepEqual(seen, [`POST /items?a=b 127.0.0.1:${world.port} 7 one two`]);
  t.deepEqual(world.requests(), { "2xx answered": 1 });
});

test("a mirror gets what the route's filters have made of the request", async (t) => {
  const seen: string[] = [];
  const origin = await httpOrigin(t);
  const mirror = await httpOrigin(t, ({ url, headers }, response) => {
    seen.push([url, headers.host, headers["x-set"], headers["x-added"], headers["x-removed"]].join(" "));
    response.end();
  });
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    others: { "shop/mirror": [mirror.port] },
    decide: (facts) =>
      forward(facts, {
        authority: "rewritten.example",
        target: "/new",
        requestHeaders: [{ set: [["x-set", "1"]], add: [["x-added", "b"]], remove: ["x-removed"] }],
        mirrors: [MIRROR],
      }),
  });
  await (await fetch(world.url, { headers: { "x-added": "a", "x-removed": "c" } })).arrayBuffer();
  await eventually("the mirror to have it", () => seen.length === 1);
  t.deepEqual(seen, ["/new rewritten.example 1 a,b "]);
});

test("each mirror of several gets its own copy, over kept connections", async (t) => {
  const origin = await httpOrigin(t);
  const mirror = await httpOrigin(t);
  const other = await httpOrigin(t);
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    others: { "shop/mirror": [mirror.port], "shop/other": [other.port] },
    decide: (facts) => forward(facts, { mirrors: [MIRROR, { ...MIRROR, service: "shop/other" }] }),
  });
  for (let count = 0; count < 3; count += 1) {
    await (await fetch(world.url)).arrayBuffer();
    await eventually("the copies' connections to be idle", () => world.plane.upstreams.idleCount === 3);
  }
  t.deepEqual([mirror.accepted, other.accepted], [1, 1]);
  t.deepEqual(world.counters()["mirrored shop/other answered"], 3);
});

test("a mirror that hangs holds nobody, and is given up in time", async (t) => {
  const clock = new FakeClock();
  const origin = await httpOrigin(t);
  const mirror = await rawOrigin(t, (socket) => socket.resume());
  const world = await HttpWorld.create(t, mirrored(origin.port, [mirror.port], { clock }));
  for (let count = 0; count < 10; count += 1) t.is((await fetch(world.url)).status, 200);
  t.is(world.plane.upstreams.size - world.plane.upstreams.idleCount, 10, "copies under way");
  clock.advance(httpTimers.mirrorMs);
  t.is(world.plane.upstreams.size - world.plane.upstreams.idleCount, 0);
  t.is(world.counters()["mirrored shop/mirror slow"], 10);
});

test("copies under way are bounded; beyond, requests go without", async (t) => {
  const origin = await rawOrigin(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  const mirror = await rawOrigin(t, (socket) => socket.resume());
  const world = await HttpWorld.create(t, mirrored(origin.port, [mirror.port]));
  const socket = await world.connect();
  let answers = 0;
  socket.on("data", (chunk: Buffer) => (answers += chunk.toString().split("ok").length - 1));
  const asked = httpLimits.mirrorsPerBackend + 3;
  for (let count = 0; count < asked; count += 1) {
    socket.write("GET / HTTP/1.1\r\nHost: c\r\n\r\n");
    await eventually("an answer", () => answers === count + 1);
  }
  t.like(world.counters(), { "mirrored shop/mirror refused": 3, "limitHits mirrorsPerBackend": 3 });
  socket.destroy();
});

test("a mirror that cannot be reached, or does not exist, is none of the client's business", async (t) => {
  const origin = await httpOrigin(t);
  const world = await HttpWorld.create(t, {
    origins: [origin.port],
    others: { "shop/mirror": [NOBODY] },
    decide: (facts) => forward(facts, { mirrors: [MIRROR, { ...MIRROR, service: "shop/gone" }] }),
  });
  const response = await fetch(world.url, { method: "POST", body: "hello" });
  t.like(await response.json(), { body: "hello" });
  await eventually("both copies to have failed", () => world.plane.upstreams.size === 1);
  t.like(world.counters(), { "mirrored shop/mirror failed": 1, "mirrored shop/gone failed": 1 });
  t.is(world.log.lines.filter(({ fields }) => fields["event"] === "request").length, 1);
});

test("a mirror that does not read is left behind, the request is not", async (t) => {
  const body = Buffer.alloc(16 * 1024 * 1024, "x");
  const origin = await httpOrigin(t, (request, response) => {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => (bytes += chunk.length));
    request.on("end", () => response.end(String(bytes)));
  });
  const mirror = await rawOrigin(t, (socket) => socket.pause());
  const world = await HttpWorld.create(t, mirrored(origin.port, [mirror.port]));
  const response = await fetch(world.url, { method: "POST", body });
  t.is(await response.text(), String(body.length));
  t.is(world.counters()["mirrored shop/mirror slow"], 1);
});

test("a long answer of a mirror is not read to its end", async (t) => {
  const origin = await httpOrigin(t);
  const mirror = await httpOrigin(t, (_request, response) => {
    response.end(Buffer.alloc(8 * 1024 * 1024));
  });
  const world = await HttpWorld.create(t, mirrored(origin.port, [mirror.port]));
  t.is((await fetch(world.url)).status, 200);
  await eventually("the mirror's connection to be closed", () => mirror.accepted === 1 && mirror.open.size === 0);
  t.is(world.counters()["mirrored shop/mirror answered"], 1);
});

test("a client that leaves in the middle takes its copy along", async (t) => {
  const origin = await httpOrigin(t);
  const mirror = await httpOrigin(t);
  const world = await HttpWorld.create(t, mirrored(origin.port, [mirror.port]));
  const socket = await world.connect();
  socket.write("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 100\r\n\r\nhalf");
  await eventually("the copy to be under way", () => mirror.accepted === 1);
  socket.destroy();
  await eventually("both to be over", () => mirror.open.size === 0 && origin.open.size === 0);
  t.is(world.counters()["mirrored shop/mirror dropped"], 1);
  await world.settle();
});

test("a client that has all it wants leaves its copy under way", async (t) => {
  const origin = await httpOrigin(t);
  let answer = (): void => {};
  const mirror = await httpOrigin(t, (request, response) => {
    answer = () => echo(request, response);
  });
  const world = await HttpWorld.create(t, mirrored(origin.port, [mirror.port]));
  await (await fetch(world.url, { headers: { connection: "close" } })).arrayBuffer();
  await eventually("the mirror to have it", () => mirror.accepted === 1);
  await eventually("the client to be gone", () => world.connections.size === 0);
  answer();
  await world.settle();
  t.is(world.counters()["mirrored shop/mirror answered"], 1);
});
