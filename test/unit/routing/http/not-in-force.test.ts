import test from "ava";
import { parseDocuments } from "../../../../protocol/documents/parse-documents.ts";
import { CompileProblems } from "../../../../routing/compile-problems.ts";
import { compileTable } from "../../../../routing/compile.ts";
import { compileRoutes, routeInput } from "../../../../routing/http/compile-routes.ts";
import { unservedRoutes } from "../../../../routing/http/not-in-force.ts";
import { isKind } from "../../../../routing/is-kind.ts";
import { route, service } from "./request-world.ts";

function told(text: string): readonly string[] {
  const { documents, problems } = parseDocuments(text, "test.yaml");
  const result = compileTable({ documents, agentNodes: new Set() });
  return [...problems, ...result.problems].map(({ code, path, found }) => `${code} ${path}: ${found}`);
}

const policy = (spec: string) => `
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: p, namespace: shop }
spec: { ${spec} }
`;

const MIRROR = `
  rules:
    - filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: catalog, port: 80 } } }]
      backendRefs: [{ name: catalog, port: 80 }]
`;

test("a route of gRPC, with a mirror or with sessions holds nowhere, and a controller tells so", (t) => {
  t.deepEqual(told(service("catalog") + route("")), []);
  t.deepEqual(told(service("catalog") + route("", "calls", "GRPCRoute")), ["not-supported kind: GRPCRoute shop/calls"]);
  t.deepEqual(told(service("catalog") + route(MIRROR)), [
    "not-supported spec.rules[0].filters[0].requestMirror: filter RequestMirror",
  ]);
  t.deepEqual(
    told(service("catalog") + route("  rules: [{ sessionPersistence: { type: Header, header: { name: x } } }]")),
    ["not-supported spec.rules[0].sessionPersistence: sessionPersistence"],
  );
  const gateway = route("", "calls", "GRPCRoute").replace(
    '{ group: "", kind: Service, name: catalog }',
    "{ name: edge }",
  );
  t.deepEqual(told(service("catalog") + gateway), [], "what is not for the mesh is no matter of it");
});

test("such a route does not stand in the way of another one, and its status says why it holds nowhere", (t) => {
  const text = service("catalog") + route("") + route("", "calls", "GRPCRoute");
  const { documents } = parseDocuments(text, "test.yaml");
  const { contents } = compileTable({ documents, agentNodes: new Set(), judgement: "each" });
  t.deepEqual(
    contents.routes.map(({ key, kind }) => [key, kind]),
    [["shop/catalog:80", "HTTPRoute"]],
  );
  const routes = documents.filter(isKind("HTTPRoute", "GRPCRoute"));
  const unserved = unservedRoutes(routes);
  const { statuses } = compileRoutes({ ...routeInput(documents), unserved }, new CompileProblems());
  t.deepEqual(statuses.map(({ kind, parents }) => `${kind} ${parents[0]?.conditions[0]?.reason}`).sort(), [
    "GRPCRoute UnsupportedValue",
    "HTTPRoute Accepted",
  ]);
});

test("policies for requests are in force with a route and without, those of a GRPCRoute are not", (t) => {
  const timeouts = policy("targetRef: { kind: Service, name: catalog }, timeouts: { request: 1s }");
  t.deepEqual(told(service("catalog") + timeouts), []);
  t.deepEqual(told(service("catalog") + route("") + timeouts), []);
  const target = (kind: string) => `targetRef: { group: gateway.networking.k8s.io, kind: ${kind}, name: catalog }`;
  t.deepEqual(told(service("catalog") + route("") + policy(`${target("HTTPRoute")}, retries: {}`)), []);
  t.deepEqual(
    told(service("catalog") + route("", "catalog", "GRPCRoute") + policy(`${target("GRPCRoute")}, retries: {}`)),
    [
      "not-supported kind: GRPCRoute shop/catalog",
      "not-supported spec.targetRef.kind: targetRef.kind of TrafficPolicy shop/p",
    ],
  );
  t.deepEqual(told(service("catalog") + policy("targetRef: { kind: Service, name: catalog }, locality: spread")), []);
});

/** Each line is gone with the part that is put in force. */
const PARTS: readonly (readonly [spec: string, told: string])[] = [
  ["concurrency: { maxRequests: 1 }", "concurrency"],
  ["circuitBreaker: {}", "circuitBreaker"],
  ["rateLimits: [{ requests: 1 }]", "rateLimits"],
  ["sizes: { requestBody: 1 }", "sizes"],
  ['faults: [{ until: "2026-12-01T12:00:00Z", delay: 1s }]', "faults"],
  ["quota: { requests: 1 }", "quota"],
  ["hedging: {}", "hedging"],
  ["fallback: { response: {} }", "fallback"],
  ["collapse: {}", "collapse"],
  ["loadBalancer: { algorithm: hash, hash: { header: a } }", "loadBalancer.hash"],
  ["loadBalancer: { slowStart: { window: 1s } }", "loadBalancer.slowStart"],
  ["loadBalancer: { honorRetryAfter: false }", "loadBalancer.honorRetryAfter"],
  ["spillOver: { minHealthyPercent: 50 }", "spillOver"],
  ["ejection: { consecutiveErrors: 1 }", "ejection.consecutiveErrors"],
  ["ejection: { successShare: { percent: 1 } }", "ejection.successShare"],
  ["ejection: { latency: { factor: 2 } }", "ejection.latency"],
  ["ejection: { return: 1s }", "ejection.return"],
];

for (const [spec, part] of PARTS) {
  test(`a controller tells that ${part} is not in force`, (t) => {
    const text = service("catalog") + policy(`targetRef: { kind: Service, name: catalog }, ${spec}`);
    t.deepEqual(told(text), [`not-supported spec.${part}: ${part} of TrafficPolicy shop/p`]);
  });
}

test("a route to a subset holds nowhere", (t) => {
  const subset = `
apiVersion: hawser.dev/v1
kind: Subset
metadata: { name: v2, namespace: shop }
spec: { service: catalog, labels: { version: v2 } }
---
`;
  const rules = "  rules: [{ backendRefs: [{ group: hawser.dev, kind: Subset, name: v2, port: 80 }] }]";
  t.deepEqual(told(service("catalog") + subset + route(rules)), [
    "not-supported spec.rules[0].backendRefs[0].kind: Subset v2",
  ]);
});
