import test from "ava";
import { parseDocuments } from "../../../../protocol/documents/parse-documents.ts";
import { formatProblem } from "../../../../protocol/documents/problem.ts";

/** Line and column are left out: `spec.sizes: expected ...`. */
function told(spec: string, kind = "TrafficPolicy", target = "kind: Service, name: catalog"): readonly string[] {
  const text = `apiVersion: hawser.dev/v1
kind: ${kind}
metadata: { name: catalog, namespace: shop }
spec:
${kind === "TrafficPolicy" ? `  targetRef: { ${target} }` : ""}
${spec}`;
  return parseDocuments(text, "f").problems.map((problem) => formatProblem(problem).replace(/^f:\d+:\d+ /, ""));
}

test("a part without what it needs, with too much of it, or with a slip is told what it could be", (t) => {
  const cases: readonly (readonly [spec: string, ...told: string[]])[] = [
    [
      "  sizes: {}",
      "spec.sizes: expected at least one of requestBody, responseBody and requestHeaders, found a mapping",
    ],
    [
      "  sizes: { requestHeaders: 1Mi }",
      'spec.sizes.requestHeaders: expected a size from 256 to 64Ki, such as 10Ki, found text "1Mi"',
    ],
    [
      "  sizes: { requestBody: 1Kib }",
      'spec.sizes.requestBody: expected a size from 0 to 1024Gi, such as 10Ki, found text "1Kib"',
    ],
    [
      "  concurrency: { maxWaiting: 20000 }",
      "spec.concurrency.maxRequests: missing, expected a number of requests from 1 to 1000000",
      "spec.concurrency.maxWaiting: expected a number of requests from 0 to 10000, found number 20000",
    ],
    [
      "  circuitBreaker: { window: 1h }",
      'spec.circuitBreaker.window: expected a duration from 1s to 10m, found text "1h"',
    ],
    [
      "  circuitBreaker: { errorPercent: 101 }",
      "spec.circuitBreaker.errorPercent: expected a percentage from 0 to 100, found number 101",
    ],
    [
      "  rateLimits: [{ requests: 1, by: idntity }]",
      'spec.rateLimits[0].by: expected source, identity, { header: name }, { query: name } or { cookie: { name: name } }, found text "idntity"',
    ],
    [
      "  rateLimits: [{ requests: 1, by: { heder: x } }]",
      "spec.rateLimits[0].by: expected one of header, query and cookie, found a mapping",
      "spec.rateLimits[0].by.heder: unknown key, did you mean header",
    ],
    [
      "  quota: { name: shop/all, requests: 0 }",
      'spec.quota.name: expected a name of a-z, 0-9, - and . with at most 253 characters, found text "shop/all"',
      "spec.quota.requests: expected a number of requests from 1 to 100000000, found number 0",
    ],
    [
      "  faults: [{ until: tomorrow }]",
      "spec.faults[0]: expected at least one of delay, abort and bandwidth, found a mapping",
      'spec.faults[0].until: expected a time such as 2026-01-31T12:00:00Z, found text "tomorrow"',
    ],
    ["  faults: [{ delay: 1s }]", "spec.faults[0].until: missing, expected a time such as 2026-01-31T12:00:00Z"],
    ["  fallback: {}", "spec.fallback: expected one of response, backend and lastGood, found a mapping"],
    [
      "  fallback: { response: { headers: [{ name: Content-Length, value: '1' }] } }",
      'spec.fallback.response.headers[0].name: expected a header that does not say where a message ends or how it is connected, found text "Content-Length"',
    ],
    ["  hedging: { attempts: 6 }", "spec.hedging.attempts: expected a number of tries from 1 to 5, found number 6"],
    [
      "  loadBalancer: { algorithm: hash }",
      "spec.loadBalancer.hash: missing, expected a header, a query parameter or a cookie for algorithm hash",
    ],
    [
      "  loadBalancer: { hash: { header: a } }",
      "spec.loadBalancer.hash: expected no hash but with algorithm hash, found a mapping",
    ],
    [
      "  ejection: { latency: { factor: 1 } }",
      "spec.ejection.latency.factor: expected a factor from 1.1 to 100, found number 1",
    ],
    ["  circuitbreaker: {}", "spec.circuitbreaker: unknown key, did you mean circuitBreaker"],
  ];
  for (const [spec, ...expected] of cases) t.deepEqual(told(spec), expected, spec);
});

test("a part that does not fit the target or the protocol is told, also beside other mistakes", (t) => {
  const route = "group: gateway.networking.k8s.io, kind: HTTPRoute, name: catalog";
  t.deepEqual(told("  protocol: http\n  spillOver: { minHealthyPercent: 1 }\n  quota: {}", "TrafficPolicy", route), [
    'spec.protocol: expected no protocol for a route, it is a matter of the Service, found text "http"',
    "spec.spillOver: expected no spillOver for a route, it is a matter of the Service, found a mapping",
    "spec.quota.requests: missing, expected a number of requests from 1 to 100000000",
  ]);
  t.deepEqual(told("  protocol: tcp\n  retries: {}\n  locality: spread"), [
    "spec.retries: expected no retries beside protocol tcp, with which nobody looks for requests, found a mapping",
  ]);
});

test("conditions and subsets say something", (t) => {
  t.deepEqual(told("  {}", "RequestMatch"), [
    "spec: expected at least one of identities, namespaces, claims and users, found a mapping",
  ]);
  t.deepEqual(told("  identities: [spiffe://a/sa/b]\n  claims: [{ name: a..b, values: [] }]", "RequestMatch"), [
    'spec.identities[0]: expected an identity such as spiffe://cluster.local/ns/shop/sa/web, found text "spiffe://a/sa/b"',
    'spec.claims[0].name: expected the name of a claim, dots between the levels, with at most 256 characters, found text "a..b"',
    "spec.claims[0].values: expected at least one entry, found a list",
  ]);
  t.deepEqual(told("  service: catalog\n  labels: {}", "Subset"), [
    "spec.labels: expected at least one label, found a mapping",
  ]);
});

test("defaults are filled in", (t) => {
  const text = `
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: catalog }
spec: { targetRef: { kind: Service, name: catalog }, circuitBreaker: {}, collapse: {}, hedging: {} }`;
  const [document] = parseDocuments(text, "f").documents;
  t.like(document, {
    spec: {
      circuitBreaker: { window: 10_000, minRequests: 20, errorPercent: 50, openFor: 5_000, halfOpenRequests: 3 },
      collapse: { headers: ["accept", "accept-encoding", "accept-language"], maxWaiting: 100 },
      hedging: { attempts: 1 },
    },
  });
});
