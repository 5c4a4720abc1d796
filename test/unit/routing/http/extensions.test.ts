/** Documents of hawser.dev that routes refer to: RequestMatch as a filter, Subset as a backend. */
import test from "ava";
import { RequestWorld, route, service } from "./request-world.ts";

const requestMatch = (spec: string, name = "testers", namespace = "shop"): string => `
apiVersion: hawser.dev/v1
kind: RequestMatch
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${spec} }
---
`;

const subset = (name = "catalog-v2", namespace = "shop", of = "catalog"): string => `
apiVersion: hawser.dev/v1
kind: Subset
metadata: { name: ${name}, namespace: ${namespace} }
spec: { service: ${of}, labels: { version: v2 } }
---
`;

const SERVICES = service("catalog") + service("canary");
const TESTERS =
  "filters: [{ type: ExtensionRef, extensionRef: { group: hawser.dev, kind: RequestMatch, name: testers } }]";
/** The reason of the route's condition. */
const resolved = (world: RequestWorld): string | undefined => world.statuses[0]?.parents[0]?.conditions[1]?.reason;
const to = (name: string): string => `backendRefs: [{ name: ${name}, port: 80 }]`;

test("a rule with a RequestMatch is for such requests only, and comes before the same one without", (t) => {
  const rules = route(`  rules: [{ ${to("catalog")} }, { ${TESTERS}, ${to("canary")} }]`);
  const world = new RequestWorld(SERVICES + rules + requestMatch("claims: [{ name: role, values: [tester] }]"));
  t.deepEqual(world.told, []);
  t.is(world.ask("http://catalog/", { claims: { role: "tester" } }), "canary");
  t.is(world.ask("http://catalog/", { claims: { role: "boss" } }), "catalog");
  t.is(world.ask("http://catalog/"), "catalog");
});

test("a more specific match without conditions comes first all the same", (t) => {
  const specific = `matches: [{ path: { value: /items } }], ${to("catalog")}`;
  const rules = route(`  rules: [{ ${TESTERS}, ${to("canary")} }, { ${specific} }]`);
  const world = new RequestWorld(SERVICES + rules + requestMatch("namespaces: [shop]"));
  t.is(world.ask("http://catalog/"), "canary");
  t.is(world.ask("http://catalog/items/3"), "catalog");
  t.is(world.ask("http://catalog/", { from: "other" }), "404");
});

test("users without a seed are chosen by the document's name", (t) => {
  const rules = route(`  rules: [{ ${TESTERS}, ${to("canary")} }]`);
  const match = requestMatch("users: { percent: 5, by: { header: X-User } }");
  const world = new RequestWorld(SERVICES + rules + match);
  const users = { percent: 5, by: { from: "header" as const, name: "x-user" }, seed: "shop/testers" };
  t.deepEqual(world.entries[0]?.matches[0]?.when, { users });
});

test("a RequestMatch that is not there, in another namespace, twice, or of a backend is told and answered with 500", (t) => {
  const only = route(`  rules: [{ ${TESTERS}, ${to("canary")} }]`);
  const elsewhere = new RequestWorld(SERVICES + only + requestMatch("namespaces: [shop]", "testers", "other"));
  t.deepEqual(elsewhere.told, [
    "test.yaml:19:59 spec.rules[0].filters[0].extensionRef: expected a RequestMatch of the route's namespace (other/testers), found RequestMatch shop/testers, which does not exist",
  ]);
  t.is(elsewhere.ask("http://catalog/"), "500");
  t.is(resolved(elsewhere), "BackendNotFound");
  const second = TESTERS.replace("filters: [", "").replace(/\]$/, "");
  const twice = route(`  rules: [{ ${TESTERS.replace(/\]$/, `, ${second}]`)}, ${to("canary")} }]`);
  const world = new RequestWorld(SERVICES + twice + requestMatch("namespaces: [shop]"));
  t.regex(world.told.join("\n"), /filters\[1\].extensionRef: expected one RequestMatch in a rule.*found a second/);
  t.is(world.ask("http://catalog/"), "500");
  t.is(resolved(world), "InvalidKind");
  const ofBackend = route(`  rules: [{ backendRefs: [{ name: canary, port: 80, ${TESTERS} }] }]`);
  const backend = new RequestWorld(SERVICES + ofBackend + requestMatch("namespaces: [shop]"));
  t.regex(backend.told.join("\n"), /backendRefs\[0\].filters\[0\].extensionRef: .*found a RequestMatch of a backend/);
  t.is(backend.ask("http://catalog/"), "500");
  t.is(resolved(backend), "InvalidKind");
  const there = new RequestWorld(SERVICES + only + requestMatch("namespaces: [shop]"));
  t.is(resolved(there), "ResolvedRefs");
});

test("a subset is a backend like a Service, with the labels of its endpoints' pods", (t) => {
  const v2 = "{ group: hawser.dev, kind: Subset, name: catalog-v2, port: 80, weight: 10 }";
  const rules = route(`  rules: [{ backendRefs: [{ name: catalog, port: 80, weight: 90 }, ${v2}] }]`);
  const world = new RequestWorld(SERVICES + rules + subset());
  t.deepEqual(world.told, []);
  t.deepEqual(world.entries[0]?.rules[0]?.backends, [
    { service: "shop/catalog", port: 80, weight: 90 },
    {
      service: "shop/catalog",
      port: 80,
      weight: 10,
      subset: { name: "shop/catalog-v2", labels: { version: "v2" } },
    },
  ]);
});

test("a subset that is not there, of no Service or port, or without a port is told and answered with 500", (t) => {
  const backend = (fields: string) =>
    route(`  rules: [{ backendRefs: [{ group: hawser.dev, kind: Subset, ${fields} }] }]`);
  const told = (text: string) => {
    const world = new RequestWorld(SERVICES + text);
    return [...world.told.map((each) => each.replace(/^.*?backendRefs\[0\]\./, "")), world.ask("http://catalog/")];
  };
  t.deepEqual(told(backend("name: catalog-v3, port: 80") + subset()), [
    "name: expected an existing Subset (shop/catalog-v2), found Subset shop/catalog-v3, which does not exist",
    "500",
  ]);
  t.deepEqual(told(backend("name: catalog-v2, port: 81") + subset()), [
    "port: expected a TCP port of Service shop/catalog (80), found port 81 (of Subset shop/catalog-v2)",
    "500",
  ]);
  t.deepEqual(told(backend("name: catalog-v2, port: 80") + subset("catalog-v2", "shop", "gone")), [
    "name: expected an existing Service (shop/catalog, shop/canary), found Service shop/gone, which does not exist (of Subset shop/catalog-v2)",
    "500",
  ]);
  t.deepEqual(told(backend("name: catalog-v2") + subset()), [
    "port: missing, expected the port of the Service",
    "not routed",
  ]);
});

test("a subset of another namespace needs a grant where Services do", (t) => {
  const rules = route(
    "  rules: [{ backendRefs: [{ group: hawser.dev, kind: Subset, namespace: other, name: v2, port: 80 }] }]",
  );
  const text = SERVICES + service("other/catalog") + rules + subset("v2", "other");
  t.is(new RequestWorld(text).ask("http://catalog/"), "catalog");
  const grant = (to: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: g, namespace: other }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop }]
  to: [{ ${to} }]
---
`;
  const ask = (more: string) => new RequestWorld(text + more, { requireGrants: true }).ask("http://catalog/");
  t.is(ask(""), "500");
  t.is(ask(grant('group: "", kind: Service')), "500");
  t.is(ask(grant("group: hawser.dev, kind: Subset, name: v1")), "500");
  t.is(ask(grant("group: hawser.dev, kind: Subset, name: v2")), "catalog");
});
