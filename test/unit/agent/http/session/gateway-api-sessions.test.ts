/**
 * What GEP-1619 asks of session persistence, from the documents to the endpoint that takes a request: its conformance tests
 * and edge cases as far as they are about rules of routes.
 */
import test from "ava";
import { Sessions } from "../../../../../agent/http/session/sessions.ts";
import { tableRouters } from "../../../../../agent/http/table-router.ts";
import type { EndpointEntry } from "../../../../../protocol/table.ts";
import type { ForwardRequest } from "../../../../../routing/http/request-decision.ts";
import { TableState } from "../../../../../routing/table-state.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";
import { seededRandom } from "../../../../support/seeded-random.ts";
import { RequestWorld, route, service } from "../../../routing/http/request-world.ts";
import { endpointEntry, nodeEntry, serviceEntry, tableSnapshot, workloadEntry } from "../../../routing/sample-table.ts";

const PORTS = [{ name: "http", port: 80, protocol: "TCP" }] as const;
const SERVICES = ["catalog", "v1", "v2"];
const DOCUMENTS = SERVICES.map((name) => service(name)).join("");
const WEB = workloadEntry("shop/web", "n1", { addresses: ["10.0.1.1"] });
const PODS = ["v1-a", "v1-b", "v2-a", "v2-b"].map((name, index) =>
  workloadEntry(`shop/${name}`, index % 2 === 0 ? "n1" : "n2", { addresses: [`10.0.2.${index}`] }),
);

interface Client {
  /** `shop/v1-a:8080` by name, with what it was told. */
  ask(target: string): { readonly endpoint: string; readonly setCookie: string | undefined };
  /** Sent with every request. */
  cookies: Record<string, string>;
}

/** An agent of `node`, under routes that may change. Where a new session goes is drawn. */
class World {
  readonly clock = new FakeClock();
  readonly random = seededRandom(5);
  #table: TableState;

  constructor(rules: string, gone: readonly string[] = []) {
    this.#table = tableOf(rules, gone);
  }

  set(rules: string, gone: readonly string[] = []): void {
    this.#table = tableOf(rules, gone);
  }

  client(node = "n1"): Client {
    const sessions = new Sessions(this.clock);
    const router = tableRouters(node, () => this.#table, sessions)(WEB, "shop/catalog", 80, 4);
    const cookies: Record<string, string> = {};
    return {
      cookies,
      ask: (target) => {
        const cookie = Object.entries(cookies).map(([name, value]) => `${name}=${value}`);
        const decision = router?.decide({
          source: WEB,
          service: "shop/catalog",
          port: 80,
          scheme: "http",
          method: "GET",
          target,
          authority: "catalog",
          headers: new Map([["cookie", cookie.join("; ")]]),
          random: this.random(),
          mirrorRandom: 0,
        }) as ForwardRequest;
        if (decision.endpoint !== undefined) return { endpoint: decision.endpoint.key, setCookie: undefined };
        const candidates = router?.endpoints(decision.backend)?.candidates ?? [];
        const picked = candidates[Math.floor(this.random() * candidates.length)];
        if (picked === undefined) throw new Error(`${decision.backend.service} has no endpoint`);
        const [, setCookie = ""] = sessions.begin(decision.by.rule, decision.backend, picked) ?? [];
        const [, name = "", value = ""] = /^([^=]+)=([^;]+)/.exec(setCookie) ?? [];
        cookies[name] = value;
        return { endpoint: picked.key, setCookie };
      },
    };
  }
}

function tableOf(rules: string, gone: readonly string[]): TableState {
  const { entries, told } = new RequestWorld(DOCUMENTS + route(rules));
  if (told.length > 0) throw new Error(told.join("\n"));
  const endpoints = PODS.filter(({ uid }) => !gone.includes(uid)).map(
    ({ uid }): EndpointEntry => endpointEntry(uid.slice(0, -2), uid, { 80: 8080 }),
  );
  const parts = {
    nodes: [nodeEntry("n1"), nodeEntry("n2")],
    workloads: [WEB, ...PODS],
    services: SERVICES.map((name) => serviceEntry(`shop/${name}`, { ports: PORTS })),
    endpoints,
    routes: entries,
  };
  return new TableState(tableSnapshot(parts, { locality: "prefer-local" }));
}

const split = (v1: number, v2: number, session = "{ cookie: { name: split-route-cookie } }"): string => `
  rules:
    - backendRefs: [{ name: v1, port: 80, weight: ${v1} }, { name: v2, port: 80, weight: ${v2} }]
      sessionPersistence: ${session}`;

test("the first answer sets a cookie, and with it requests go to the same pod", (t) => {
  const client = new World(split(1, 1)).client();
  const first = client.ask("/");
  t.regex(first.setCookie ?? "", /^split-route-cookie=[\w-]+; Path=\//);
  for (let count = 0; count < 50; count += 1) {
    t.deepEqual(client.ask(`/${count}`), { endpoint: first.endpoint, setCookie: undefined });
  }
});

test("a cookie of lifetime Session has no end, a Permanent one that of absoluteTimeout", (t) => {
  t.notRegex(new World(split(1, 1)).client().ask("/").setCookie ?? "", /expires|max-age/i);
  const session = "{ cookie: { lifetimeType: Permanent }, absoluteTimeout: 5m }";
  t.regex(new World(split(1, 1, session)).client().ask("/").setCookie ?? "", /; Max-Age=300;/);
});

test("a session that the gateway ends: a cookie of lifetime Session with absoluteTimeout", (t) => {
  const world = new World(split(1, 1, "{ cookie: { name: c }, absoluteTimeout: 5m }"));
  const client = world.client();
  client.ask("/");
  world.clock.advance(299_000);
  t.is(client.ask("/").setCookie, undefined);
  world.clock.advance(2_000);
  t.truthy(client.ask("/").setCookie);
});

test("new sessions are shared by weight, and stay whatever becomes of the weights, also at 0", (t) => {
  const world = new World(split(70, 30));
  const clients = Array.from({ length: 500 }, () => world.client());
  const began = clients.map((client) => client.ask("/").endpoint);
  const atV2 = began.filter((endpoint) => endpoint.startsWith("shop/v2")).length;
  t.true(Math.abs(atV2 - 150) < 25, String(atV2));
  world.set(split(0, 100));
  t.deepEqual(
    clients.map((client) => client.ask("/").endpoint),
    began,
  );
  t.regex(world.client().ask("/").endpoint, /^shop\/v2/);
});

const TWO_RULES = `
  rules:
    - matches: [{ path: { value: /a } }]
      backendRefs: [{ name: v1, port: 80 }]
      sessionPersistence: { cookie: { NAMEA } }
    - matches: [{ path: { value: /b } }]
      backendRefs: [{ name: v1, port: 80, weight: WEIGHT }, { name: v2, port: 80, weight: 100 }]
      sessionPersistence: { cookie: { NAMEB } }`;

test("two rules with the same Service do not share sessions, whatever their cookies are called", (t) => {
  for (const [a, b] of [
    ["name: session-a", "name: session-b"],
    ["name: same", "name: same"],
    ["path: /", "path: /"],
  ] as const) {
    const rules = TWO_RULES.replace("NAMEA", a).replace("NAMEB", b).replace("WEIGHT", "0");
    const client = new World(rules).client();
    t.regex(client.ask("/a").endpoint, /^shop\/v1/);
    t.regex(client.ask("/b").endpoint, /^shop\/v2/);
  }
});

test("each rule keeps its own session beside the other's", (t) => {
  const rules = TWO_RULES.replace("NAMEA", "path: /").replace("NAMEB", "path: /").replace("WEIGHT", "100");
  const client = new World(rules).client();
  const [a, b] = [client.ask("/a"), client.ask("/b")];
  for (let count = 0; count < 20; count += 1) {
    t.is(client.ask("/a").endpoint, a.endpoint);
    t.is(client.ask("/b").endpoint, b.endpoint);
  }
});

test("when its pod is gone the session begins anew, by weight", (t) => {
  const world = new World(split(100, 0));
  const client = world.client();
  const first = client.ask("/");
  world.set(split(0, 100), [first.endpoint.split(":")[0] ?? ""]);
  const moved = client.ask("/");
  t.regex(moved.endpoint, /^shop\/v2/);
  t.truthy(moved.setCookie);
  t.is(client.ask("/").endpoint, moved.endpoint);
});

test("an agent of another node, which prefers other endpoints, takes the client to the same one", (t) => {
  const world = new World(split(1, 1));
  for (const [here, there] of [
    ["n1", "n2"],
    ["n2", "n1"],
  ] as const) {
    const client = world.client(here);
    const { endpoint } = client.ask("/");
    const other = world.client(there);
    other.cookies["split-route-cookie"] = client.cookies["split-route-cookie"] ?? "";
    t.is(other.ask("/").endpoint, endpoint);
  }
});

test("a backend that has left the rule has no sessions", (t) => {
  const world = new World(split(100, 0));
  const client = world.client();
  client.ask("/");
  world.set(`
  rules:
    - backendRefs: [{ name: v2, port: 80 }]
      sessionPersistence: { cookie: { name: split-route-cookie } }`);
  t.regex(client.ask("/").endpoint, /^shop\/v2/);
});
