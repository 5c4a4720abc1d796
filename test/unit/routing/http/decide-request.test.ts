import test from "ava";
import { RequestWorld, route, service } from "./request-world.ts";

const SERVICES = service("catalog") + service("catalog-v1") + service("catalog-v2");

test("a Service without a route is not routed", (t) => {
  t.is(new RequestWorld(SERVICES).ask("http://catalog/"), "not routed");
});

test("a request under no rule is answered 404, and the reason says of what", (t) => {
  const world = new RequestWorld(
    SERVICES +
      route(`
  rules:
    - matches: [{ path: { value: /items } }]
      backendRefs: [{ name: catalog-v1, port: 80 }]`),
  );
  t.deepEqual(world.told, []);
  t.is(world.ask("http://catalog/items/3"), "catalog-v1");
  t.like(world.decide("http://catalog/other?x=1"), {
    kind: "respond",
    code: "no-match",
    status: 404,
    reason: "GET /other?x=1 is under no rule of the HTTPRoutes of shop/catalog:80",
  });
});

test("the decision names the document, the rule and the match", (t) => {
  const world = new RequestWorld(
    SERVICES +
      route(`
  rules:
    - backendRefs: [{ name: catalog-v1, port: 80 }]
    - name: reads
      matches: [{ method: POST }, { method: GET, headers: [{ name: X-User, value: ann }] }]
      backendRefs: [{ name: catalog-v2, port: 80 }]`),
  );
  const decision = world.decide("http://catalog/items?id=3", { headers: { "x-user": "ann" } });
  t.like(decision, {
    kind: "forward",
    backend: { service: "shop/catalog-v2", port: 80, weight: 1 },
    by: { kind: "HTTPRoute", rule: { route: "shop/catalog", index: 1, name: "reads" }, match: { index: 1 } },
    authority: "catalog",
    target: "/items?id=3",
  });
});

test("a backend's share is exact over all random numbers, and those without a weight have none", (t) => {
  const world = new RequestWorld(
    SERVICES +
      route(`
  rules:
    - backendRefs:
        - { name: gone, port: 80, weight: 0 }
        - { name: catalog-v1, port: 80, weight: 70 }
        - { name: catalog-v2, port: 80, weight: 30 }`),
  );
  t.deepEqual(world.told, [], "a missing backend without a share is a step of a rollout");
  const counts: Record<string, number> = {};
  for (let i = 0; i < 1000; i++) {
    const to = world.ask("http://catalog/", { random: i / 1000 });
    counts[to] = (counts[to] ?? 0) + 1;
  }
  t.deepEqual(counts, { "catalog-v1": 700, "catalog-v2": 300 });
});

test("the share of a backend that does not exist is answered 500, that of one without endpoints 503", (t) => {
  const world = new RequestWorld(
    SERVICES +
      route(`
  rules:
    - backendRefs:
        - { name: catalog-v1, port: 80, weight: 1 }
        - { name: gone, port: 80, weight: 2 }
        - { name: catalog-v2, port: 80, weight: 1 }`),
    { empty: ["shop/catalog-v2"] },
  );
  const asked = [0, 0.25, 0.5, 0.75].map((random) => world.ask("http://catalog/", { random }));
  t.deepEqual(asked, ["catalog-v1", "500", "500", "503"]);
  t.like(world.decide("http://catalog/", { random: 0.3 }), {
    code: "invalid-backend",
    reason: "backend shop/gone:80 is invalid: BackendNotFound",
  });
  t.like(world.decide("http://catalog/", { random: 0.8 }), { code: "no-endpoints" });
});

test("a rule without backends, or with none that has a weight, is answered 500", (t) => {
  const world = new RequestWorld(
    SERVICES +
      route(`
  rules:
    - matches: [{ path: { value: /none } }]
    - matches: [{ path: { value: /zero } }]
      backendRefs: [{ name: catalog-v1, port: 80, weight: 0 }]`),
  );
  t.like(world.decide("http://catalog/none"), { code: "no-backend", status: 500 });
  t.like(world.decide("http://catalog/zero"), { code: "no-backend", status: 500 });
});

test("a filter that is not known is an error, never passed over", (t) => {
  const world = new RequestWorld(
    SERVICES +
      route(`
  rules:
    - filters: [{ type: ExtensionRef, extensionRef: { group: example.com, kind: Lua, name: guard } }]
      backendRefs: [{ name: catalog-v1, port: 80 }]`),
  );
  t.like(world.decide("http://catalog/"), {
    code: "unknown-extension",
    status: 500,
    reason: "filter example.com/Lua guard is not known",
  });
  t.is(world.told.length, 1);
});

test("gRPC callers are told by a status of gRPC", (t) => {
  const world = new RequestWorld(
    SERVICES +
      route(
        `
  rules:
    - matches: [{ method: { service: shop.Catalog, method: Get } }]
      backendRefs: [{ name: gone, port: 80 }]`,
        "calls",
        "GRPCRoute",
      ),
  );
  const headers = { "content-type": "application/grpc+proto" };
  t.like(world.decide("http://catalog/shop.Catalog/Get", { method: "POST", headers }), { status: 500, grpcStatus: 14 });
  t.like(world.decide("http://catalog/shop.Catalog/Put", { method: "POST", headers }), { status: 404, grpcStatus: 12 });
  const plain = world.decide("http://catalog/shop.Catalog/Get");
  const reason = "GET /shop.Catalog/Get is no gRPC call, and so under no rule of the GRPCRoutes of shop/catalog:80";
  t.like(plain, { status: 404, reason });
  t.false("grpcStatus" in plain);
});

test("producer routes are for everyone, a consumer's for its namespace, in place of the producer's", (t) => {
  const consumer = route(`
  rules:
    - matches: [{ path: { value: /items } }]
      backendRefs: [{ name: catalog-v2, namespace: shop, port: 80 }]`)
    .replace("namespace: shop }", "namespace: team }")
    .replace("name: catalog }]", "name: catalog, namespace: shop }]");
  const world = new RequestWorld(
    SERVICES +
      route(`
  rules: [{ backendRefs: [{ name: catalog-v1, port: 80 }] }]`) +
      consumer,
  );
  t.deepEqual(world.told, []);
  t.is(world.ask("http://catalog/items"), "catalog-v1");
  t.is(world.ask("http://catalog.shop/items", { from: "other" }), "catalog-v1");
  t.is(world.ask("http://catalog.shop/items", { from: "team" }), "catalog-v2");
  t.is(world.ask("http://catalog.shop/other", { from: "team" }), "404", "merged with nothing of the producer's");
});

test("a route for one port leaves the others alone, one without a port has them all", (t) => {
  const two = `
apiVersion: v1
kind: Service
metadata: { name: catalog, namespace: shop }
spec: { ports: [{ name: http, port: 80 }, { name: admin, port: 8080 }, { name: dns, port: 53, protocol: UDP }] }
---
`;
  const to = (ref: string) =>
    new RequestWorld(
      two +
        service("catalog-v1") +
        route("  rules: [{ backendRefs: [{ name: catalog-v1, port: 80 }] }]").replace("name: catalog }", ref),
    );
  const ask = (ref: string) => [to(ref).ask("http://catalog/"), to(ref).ask("http://catalog:8080/")];
  t.deepEqual(ask("name: catalog, port: 80 }"), ["catalog-v1", "not routed"]);
  t.deepEqual(ask("name: catalog, sectionName: admin }"), ["not routed", "catalog-v1"]);
  t.deepEqual(ask("name: catalog }"), ["catalog-v1", "catalog-v1"]);
  t.deepEqual(ask("name: catalog, port: 80, sectionName: admin }"), ["not routed", "not routed"]);
});

test("timeouts, retries and sessions come with the rule: its own, then the policies'", (t) => {
  const world = new RequestWorld(
    SERVICES +
      route(`
  rules:
    - name: slow
      matches: [{ path: { value: /slow } }]
      timeouts: { request: 2s, backendRequest: 500ms }
      retry: { codes: [503], backoff: 100ms }
      sessionPersistence: { cookie: { lifetimeType: Permanent }, absoluteTimeout: 1h }
      backendRefs: [{ name: catalog-v1, port: 80 }]
    - name: usual
      backendRefs: [{ name: catalog-v1, port: 80 }]`) +
      `
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: service, namespace: shop }
spec:
  targetRef: { kind: Service, name: catalog }
  timeouts: { request: 10s, connect: 1s }
  retries: { attempts: 3, on: [unavailable, 429], budget: { percent: 10 } }
---
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: rule, namespace: shop }
spec:
  targetRef: { group: gateway.networking.k8s.io, kind: HTTPRoute, name: catalog, sectionName: usual }
  timeouts: { request: 5s, idle: 1m }
`,
  );
  t.deepEqual(world.told, []);
  const rules = world.entries[0]?.rules;
  t.deepEqual(rules?.[0]?.timeouts, { requestMs: 2_000, perTryMs: 500, connectMs: 1_000 });
  t.deepEqual(rules?.[1]?.timeouts, { requestMs: 5_000, connectMs: 1_000, idleMs: 60_000 });
  const budget = { percent: 10, intervalMs: 10_000, minRetries: 10, minRetriesIntervalMs: 1_000 };
  t.deepEqual(rules?.[0]?.retry, {
    attempts: 3,
    on: ["connect-failure", "reset", "refused-stream", 503],
    backoffMs: 100,
    budget,
  });
  t.deepEqual(rules?.[1]?.retry, { attempts: 3, on: ["unavailable", 429], backoffMs: 25, budget });
  t.deepEqual(rules?.[0]?.session, {
    type: "cookie",
    name: "hawser-shop-catalog-slow",
    path: "/",
    permanent: true,
    timeoutMs: 3_600_000,
  });
});
