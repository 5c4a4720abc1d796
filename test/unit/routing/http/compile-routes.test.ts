/** What becomes of routes as documents: entries, conditions, and problems with their places. */
import test from "ava";
import { RequestWorld, route, service } from "./request-world.ts";

const backend = (name: string, more = "") => `  rules: [{ backendRefs: [{ name: ${name}, port: 80${more} }] }]`;

/** `Accepted/NoMatchingParent` and the like, per parent. */
function conditions(world: RequestWorld, name = "catalog"): readonly string[] {
  const parents = world.statuses.find((status) => status.name === name)?.parents ?? [];
  return parents.flatMap((parent) =>
    parent.conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
  );
}

function resolvedRefs(documents: string, options = {}): readonly [string | undefined, string] {
  const world = new RequestWorld(service("catalog") + documents, options);
  return [conditions(world)[1], world.told.join("\n").replace(/^test.yaml:[0-9]+:[0-9]+ /, "")];
}

test("entries are plain JSON, sorted by key, with matches in order of precedence", (t) => {
  const world = new RequestWorld(
    service("catalog") +
      service("a") +
      route(`
  rules:
    - backendRefs: [{ name: catalog, port: 80 }]
    - name: first
      matches: [{ path: { value: /x/ }, headers: [{ name: X-A, value: "1" }] }, { path: { type: Exact, value: /y } }]
      backendRefs: [{ name: catalog, port: 80, weight: 3 }]`) +
      route(backend("a"), "a").replace("name: catalog }", "name: a }"),
  );
  t.deepEqual(world.told, []);
  t.deepEqual(JSON.parse(JSON.stringify(world.entries)), world.entries);
  t.deepEqual(
    world.entries.map(({ key }) => key),
    ["shop/a:80", "shop/catalog:80"],
  );
  t.deepEqual(world.entries[1], {
    key: "shop/catalog:80",
    service: "shop/catalog",
    port: 80,
    kind: "HTTPRoute",
    rules: [
      { route: "shop/catalog", index: 0, backends: [{ service: "shop/catalog", port: 80, weight: 1 }] },
      { route: "shop/catalog", index: 1, name: "first", backends: [{ service: "shop/catalog", port: 80, weight: 3 }] },
    ],
    matches: [
      { rule: 1, index: 1, path: { type: "exact", value: "/y" } },
      { rule: 1, index: 0, path: { type: "prefix", value: "/x" }, headers: [{ name: "x-a", value: "1" }] },
      { rule: 0, index: 0, path: { type: "prefix", value: "" } },
    ],
  });
});

test("equal documents in any order give equal entries", (t) => {
  const documents = [
    service("catalog"),
    route(backend("catalog"), "b"),
    route(backend("catalog"), "a"),
    route(backend("gone"), "c"),
  ];
  const { entries, statuses } = new RequestWorld(documents.join(""));
  const reversed = new RequestWorld(documents.toReversed().join(""));
  t.deepEqual([reversed.entries, reversed.statuses], [entries, statuses]);
});

test("a route that holds says so, with the generation that was seen", (t) => {
  const world = new RequestWorld(
    service("catalog") + route(backend("catalog"), "catalog", "HTTPRoute", ", generation: 7"),
  );
  t.deepEqual(conditions(world), ["Accepted True Accepted", "ResolvedRefs True ResolvedRefs"]);
  t.like(world.statuses[0], { kind: "HTTPRoute", namespace: "shop", name: "catalog", generation: 7 });
  t.deepEqual(world.statuses[0]?.parents[0]?.parentRef, { group: "", kind: "Service", name: "catalog" });
});

test("references to Gateways are others' business", (t) => {
  const gateway = route(backend("catalog")).replace('{ group: "", kind: Service, name: catalog }', "{ name: edge }");
  const both = gateway.replace(
    "{ name: edge }",
    '{ name: edge }, { group: "", kind: Service, name: catalog, port: 80 }',
  );
  t.deepEqual(new RequestWorld(service("catalog") + gateway).statuses, []);
  const world = new RequestWorld(service("catalog") + both);
  t.is(world.statuses[0]?.parents.length, 1);
  t.like(world.statuses[0]?.parents[0]?.parentRef, { name: "catalog", port: 80 });
});

test("parents that cannot be dialled are no parents", (t) => {
  const accepted = (documents: string) => {
    const world = new RequestWorld(documents + service("v1") + route(backend("v1")));
    return [conditions(world)[0], world.statuses[0]?.parents[0]?.conditions[0]?.message, world.told.length];
  };
  const none = "Accepted False NoMatchingParent";
  t.deepEqual(accepted(""), [none, "Service shop/catalog does not exist", 1]);
  const headless = "Service shop/catalog is headless, it has no address of its own";
  t.deepEqual(accepted(service("catalog", 80, "clusterIP: None")), [none, headless, 1]);
  const outside = "Service shop/catalog is a name of something outside (ExternalName), it has no address";
  t.deepEqual(accepted(service("catalog", 80, "type: ExternalName")), [none, outside, 1]);
  t.deepEqual(accepted(service("catalog", 80, "type: LoadBalancer"))[0], "Accepted True Accepted");
});

test("a port that is not there is told with those that are", (t) => {
  const world = (ref: string) =>
    new RequestWorld(service("catalog") + route(backend("catalog")).replace("name: catalog }", ref));
  const told = (ref: string) =>
    world(ref)
      .told.join()
      .replace(/^test.yaml:[0-9]+:[0-9]+ /, "");
  t.is(
    told("name: catalog, port: 81 }"),
    "spec.parentRefs[0].port: Service shop/catalog has no such TCP port (it has http 80)",
  );
  t.is(
    told("name: catalog, sectionName: https }"),
    "spec.parentRefs[0].sectionName: Service shop/catalog has no such TCP port (it has http 80)",
  );
});

test("an HTTPRoute that loses only some ports says which", (t) => {
  const two = service("catalog").replace("port: 80 }", "port: 80 }, { name: grpc, port: 90 }");
  const calls = route(backend("catalog"), "calls", "GRPCRoute").replace(
    "name: catalog }]\n",
    "name: catalog, port: 90 }]\n",
  );
  const world = new RequestWorld(two + route(backend("catalog"), "pages") + calls);
  t.deepEqual(world.told, []);
  const message = world.statuses.find(({ name }) => name === "pages")?.parents[0]?.conditions[0]?.message;
  t.is(message, "HTTPRoute holds for callers of every namespace; not on port 90, which has a GRPCRoute");
  t.deepEqual(
    world.entries.map(({ key, kind }) => `${key} ${kind}`),
    ["shop/catalog:80 HTTPRoute", "shop/catalog:90 GRPCRoute"],
  );
});

test("a consumer's GRPCRoute takes nothing from the producer's HTTPRoute", (t) => {
  const consumer = route(backend("catalog", ", namespace: shop"), "calls", "GRPCRoute")
    .replace("namespace: shop }", "namespace: team }")
    .replace("name: catalog }]", "name: catalog, namespace: shop }]");
  const world = new RequestWorld(service("catalog") + route(backend("catalog")) + consumer);
  t.deepEqual(
    world.entries.map(({ key, kind }) => `${key} ${kind}`),
    ["shop/catalog:80 HTTPRoute", "shop/catalog:80@team GRPCRoute"],
  );
});

test("backends: what is wrong with one is told at its place", (t) => {
  t.deepEqual(resolvedRefs(route(backend("gone"))), [
    "ResolvedRefs False BackendNotFound",
    "spec.rules[0].backendRefs[0].name: expected an existing Service (shop/catalog), found Service shop/gone, which does not exist",
  ]);
  t.deepEqual(resolvedRefs(route(backend("gone", ", weight: 0"))), ["ResolvedRefs False BackendNotFound", ""]);
  t.deepEqual(resolvedRefs(route(backend("files", ", group: example.com, kind: Bucket"))), [
    "ResolvedRefs False InvalidKind",
    'spec.rules[0].backendRefs[0].kind: expected kind Service of group "", or kind Subset of group hawser.dev, found example.com/Bucket',
  ]);
  const secure = service("secure").replace("port: 80 }", "port: 80, appProtocol: https }");
  t.deepEqual(resolvedRefs(secure + route(backend("secure"))), [
    "ResolvedRefs False UnsupportedProtocol",
    "spec.rules[0].backendRefs[0].port: expected a port that a HTTPRoute can be sent to, found port 80 of Service shop/secure with appProtocol https",
  ]);
  t.is(
    resolvedRefs(service("out", 80, "type: ExternalName") + route(backend("out")))[0],
    "ResolvedRefs False BackendNotFound",
  );
  t.is(
    resolvedRefs(service("catalog-8080", 8080) + route(backend("catalog-8080")))[0],
    "ResolvedRefs False BackendNotFound",
  );
});

test("backends of other namespaces need no grant, unless grants are asked for", (t) => {
  const other = service("other/stock") + route(backend("stock", ", namespace: other"));
  t.deepEqual(resolvedRefs(other), ["ResolvedRefs True ResolvedRefs", ""]);
  t.deepEqual(resolvedRefs(other, { requireGrants: true }), [
    "ResolvedRefs False RefNotPermitted",
    "spec.rules[0].backendRefs[0].namespace: expected a ReferenceGrant in namespace other for HTTPRoutes of namespace shop, found none",
  ]);
  const grant = (namespace: string, from: string, to: string) => `
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: { name: shop, namespace: ${namespace} }
spec:
  from: [{ group: gateway.networking.k8s.io, ${from} }]
  to: [{ group: "", kind: Service${to} }]
---
`;
  const granted = (...args: Parameters<typeof grant>) =>
    resolvedRefs(grant(...args) + other, { requireGrants: true })[0] === "ResolvedRefs True ResolvedRefs";
  t.true(granted("other", "kind: HTTPRoute, namespace: shop", ""));
  t.true(granted("other", "kind: HTTPRoute, namespace: shop", ", name: stock"));
  t.false(granted("other", "kind: HTTPRoute, namespace: shop", ", name: prices"));
  t.false(granted("other", "kind: GRPCRoute, namespace: shop", ""));
  t.false(granted("other", "kind: HTTPRoute, namespace: team", ""));
  t.false(granted("shop", "kind: HTTPRoute, namespace: shop", ""));
});

test("policies of routes: what they aim at is there, once, and they say nothing of connections", (t) => {
  const policy = (name: string, target: string, spec = "timeouts: { request: 1s }") => `
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: ${name}, namespace: shop }
spec: { targetRef: { ${target} }, ${spec} }
---
`;
  const told = (...policies: readonly string[]) =>
    new RequestWorld(service("catalog") + route(backend("catalog")) + policies.join("")).told
      .join("\n")
      .replaceAll(/test.yaml:[0-9]+:[0-9]+ /g, "");
  const route_ = "group: gateway.networking.k8s.io, kind: HTTPRoute, name: catalog";
  t.is(told(policy("p", route_)), "");
  t.is(
    told(policy("p", route_), policy("q", route_)),
    "spec.targetRef.name: expected one, the first is p (test.yaml:16), found a second TrafficPolicy for HTTPRoute shop/catalog",
  );
  t.regex(
    told(policy("p", `${route_}, sectionName: x`)),
    /a rule with a name, HTTPRoute shop\/catalog has none, found rule x/,
  );
  t.regex(
    told(policy("p", "kind: HTTPRoute, name: catalog")),
    /targetRef.group: missing, expected gateway.networking.k8s.io/,
  );
  t.regex(
    told(policy("p", "kind: Service, name: catalog, sectionName: http")),
    /sectionName: expected no sectionName for a Service/,
  );
  t.regex(told(policy("p", route_, "locality: spread")), /spec.locality: expected no locality for a route/);
  const retries = (text: string) => told(policy("p", "kind: Service, name: catalog", `retries: { ${text} }`));
  t.regex(retries("on: [sometimes]"), /retries.on\[0\]: expected connect-failure, reset/);
  t.regex(retries("budget: { percent: 101 }"), /budget.percent: expected a percentage/);
  t.is(
    told(policy("p", "kind: Service, name: catalog", "timeouts: { request: 1s, perTry: 2s }")).split("\n").length,
    1,
  );
});

test("a long list of matches for one path is filed by header, and its order kept", (t) => {
  const users = Array.from({ length: 20 }, (_, i) => `{ headers: [{ name: x-user, value: u${i} }] }`);
  const both = "{ headers: [{ name: x-user, value: u3 }, { name: x-beta, value: yes }] }";
  const world = new RequestWorld(
    ["catalog", "v1", "v2", "v3"].map((name) => service(name)).join("") +
      route(`
  rules:
    - matches: [${users.join(", ")}]
      backendRefs: [{ name: v1, port: 80 }]
    - matches: [${both}]
      backendRefs: [{ name: v2, port: 80 }]
    - matches: [{ method: POST }, { headers: [{ name: x-user, type: RegularExpression, value: "u.*" }] }]
      backendRefs: [{ name: v3, port: 80 }]`),
  );
  t.deepEqual(world.told, []);
  const ask = (headers: Record<string, string>, method = "GET") => world.ask("http://catalog/", { headers, method });
  t.is(ask({ "x-user": "u3" }), "v1");
  t.is(ask({ "x-user": "u3", "x-beta": "yes" }), "v2");
  t.is(ask({ "x-user": "u3", "x-beta": "yes" }, "POST"), "v3", "a method goes before headers");
  t.is(ask({ "x-user": "u99" }), "v3");
  t.is(ask({}), "404");
});
