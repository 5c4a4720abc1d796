import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import test from "ava";
import { AdminServer } from "../../../../agent/admin/admin-server.ts";
import type { AdminServerOptions } from "../../../../agent/admin/admin-server.ts";
import { PORT_RETRY_MS } from "../../../../agent/admin/limits.ts";
import type { LiveProtection } from "../../../../protocol/live-state.ts";
import { CollectingLog } from "../../../support/collecting-log.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

function setUp(overrides: Partial<AdminServerOptions> = {}) {
  const log = new CollectingLog();
  const clock = new FakeClock();
  const pending: string[] = [];
  const server = new AdminServer({
    name: "admin",
    host: "127.0.0.1",
    port: 0,
    clock,
    log,
    pending: () => pending,
    metrics: { contentType: "text/plain; version=0.0.4", text: () => Promise.resolve("hawser_tunnels_open 1\n") },
    configDump: () => ({ node: "node-1", token: "t0k3n" }),
    ...overrides,
  });
  return { server, log, clock, pending };
}

/** Resolves when the server listens: polls with the real event loop, moving no fake time. */
async function listening(server: AdminServer): Promise<string> {
  while (server.port === undefined) await new Promise((resolve) => setImmediate(resolve));
  return `http://127.0.0.1:${server.port}`;
}

async function get(url: string, init?: RequestInit): Promise<{ status: number; type: string | null; body: string }> {
  const response = await fetch(url, { ...init, headers: { connection: "close" } });
  return { status: response.status, type: response.headers.get("content-type"), body: await response.text() };
}

test("the admin port answers liveness, metrics and the dump without secrets", async (t) => {
  const { server } = setUp();
  server.start();
  const url = await listening(server);
  t.is((await get(`${url}/livez`)).status, 200);
  t.like(await get(`${url}/metrics`), {
    status: 200,
    type: "text/plain; version=0.0.4",
    body: "hawser_tunnels_open 1\n",
  });
  const dump = await get(`${url}/config_dump?pretty`);
  t.is(dump.status, 200);
  t.like(JSON.parse(dump.body), { node: "node-1" });
  t.notRegex(dump.body, /t0k3n/);
  await server.close();
});

test("the admin port tells what is known of one Service's endpoints", async (t) => {
  const endpoints = (service: string) => Promise.resolve({ node: "node-1", service, endpoints: [] });
  const { server } = setUp({ endpoints });
  server.start();
  const url = await listening(server);
  const told = await get(`${url}/endpoints?service=${encodeURIComponent("shop/catalog")}`);
  t.deepEqual(JSON.parse(told.body), { node: "node-1", service: "shop/catalog", endpoints: [] });
  for (const path of ["/endpoints", "/endpoints?service=catalog", "/endpoints?service=a/b/c"]) {
    t.is((await get(`${url}${path}`)).status, 400, path);
  }
  await server.close();
  const { server: older } = setUp();
  older.start();
  t.is((await get(`${await listening(older)}/endpoints?service=a/b`)).status, 404);
  await older.close();
});

test("the admin port tells how breakers, limits and quotas stand", async (t) => {
  const rate = { worker: 0, scope: "Service a/b", left: 1, burst: 2 } as LiveProtection["rates"][number];
  const { server } = setUp({
    protection: (scopes, quotas) => {
      t.deepEqual([scopes, quotas], [["Service a/b", "HTTPRoute a/c"], ["all"]]);
      return Promise.resolve({ node: "node-1", breakers: [], gates: [], rates: [rate], quotas: [] });
    },
  });
  server.start();
  const url = await listening(server);
  const told = await get(`${url}/protection?scope=Service+a%2Fb&scope=HTTPRoute+a/c&quota=all`);
  t.deepEqual(JSON.parse(told.body), { node: "node-1", breakers: [], gates: [], rates: [rate], quotas: [] });
  t.is((await get(`${url}/protection`)).status, 400);
  await server.close();
});

test("readiness is 503 with what is pending, then 200", async (t) => {
  const { server, pending } = setUp();
  pending.push("routing table", "netfilter rules");
  server.start();
  const url = await listening(server);
  const before = await get(`${url}/readyz`);
  t.is(before.status, 503);
  t.is(before.body, "pending: routing table\npending: netfilter rules\n");
  pending.length = 0;
  t.is((await get(`${url}/readyz`)).status, 200);
  await server.close();
});

test("other paths and methods are refused", async (t) => {
  const { server } = setUp();
  server.start();
  const url = await listening(server);
  t.is((await get(`${url}/quit`)).status, 404);
  t.is((await get(`${url}/livez`, { method: "POST" })).status, 405);
  t.like(await get(`${url}/livez`, { method: "HEAD" }), { status: 200, body: "" });
  await server.close();
});

test("a failing answer is a 500 without details, and a log line", async (t) => {
  const { server, log } = setUp({
    configDump: () => {
      throw new Error("table is upside down");
    },
  });
  server.start();
  const answer = await get(`${await listening(server)}/config_dump`);
  t.is(answer.status, 500);
  t.notRegex(answer.body, /upside/);
  t.true(log.events.includes("admin-failed"));
  await server.close();
});

test("a port that is taken is tried again until it is free", async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as AddressInfo;
  const { server, log, clock } = setUp({ port });
  server.start();
  while (clock.pendingTimers === 0) await new Promise((resolve) => setImmediate(resolve));
  t.is(server.port, undefined);
  clock.advance(PORT_RETRY_MS);
  while (clock.pendingTimers === 0) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => other.close(resolve));
  clock.advance(PORT_RETRY_MS);
  t.is((await get(`${await listening(server)}/livez`)).status, 200);
  t.is(log.events.filter((event) => event === "admin-port-taken").length, 1);
  await server.close();
});

test("a server that is closed while it waits for its port stays closed", async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { server, clock } = setUp({ port: (other.address() as AddressInfo).port });
  server.start();
  while (clock.pendingTimers === 0) await new Promise((resolve) => setImmediate(resolve));
  await server.close();
  t.is(clock.pendingTimers, 0);
  t.is(server.port, undefined);
  other.close();
});

test("a port for scrapers may be open to others, and has no configuration to dump", async (t) => {
  const log = new CollectingLog();
  const server = new AdminServer({
    name: "metrics",
    host: "0.0.0.0",
    port: 0,
    clock: new FakeClock(),
    log,
    pending: () => ["rules: not applied yet"],
    metrics: { contentType: "text/plain", text: () => Promise.resolve("hawser_tunnels_open 1\n") },
  });
  server.start();
  const url = await listening(server);
  t.is((await get(`${url}/metrics`)).body, "hawser_tunnels_open 1\n");
  t.is((await get(`${url}/livez`)).status, 200);
  t.is((await get(`${url}/readyz`)).status, 503);
  t.like(await get(`${url}/config_dump`), { status: 404, body: "try /livez /readyz /metrics\n" });
  t.deepEqual(log.events, ["metrics-listening"]);
  await server.close();
});

test("an address that others could reach is refused", (t) => {
  for (const host of ["0.0.0.0", "::", "192.168.1.1", "example.org"]) {
    const { server } = setUp({ host });
    t.throws(() => server.start(), { code: "admin-not-loopback" });
  }
});
