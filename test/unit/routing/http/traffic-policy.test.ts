import test from "ava";
import { parseDocuments } from "../../../../protocol/documents/parse-documents.ts";
import { compileTable } from "../../../../routing/compile.ts";
import { parseSnapshot } from "../../../../routing/validate-messages.ts";
import { RequestWorld, route, service } from "./request-world.ts";

const policy = (spec: string, name = "p", target = "kind: Service, name: catalog", namespace = "shop"): string => `
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  targetRef: { ${target} }
${spec}
---
`;

const ROUTE = "group: gateway.networking.k8s.io, kind: HTTPRoute, name: catalog";

const EVERY_PART = `
  sizes: { requestBody: 1Mi, responseBody: 10M, requestHeaders: 16Ki }
  concurrency: { maxRequests: 100, maxWaiting: 50, maxWait: 1s }
  circuitBreaker: { window: 10s, minRequests: 20, errorPercent: 50, openFor: 5s, halfOpenRequests: 3 }
  rateLimits: [{ requests: 100, per: 1s, by: { header: X-User } }, { requests: 5, per: 1m, burst: 9, by: source }]
  quota: { requests: 500, per: 1s }
  faults:
    - until: "2026-12-01T12:00:00+01:00"
      percent: 0.5
      delay: 2s
      abort: { status: 503, grpcStatus: 14 }
      bandwidth: 10Ki
      when:
        namespaces: [other]
        claims: [{ name: realm.roles, values: [tester] }]
        users: { percent: 5, by: { cookie: { name: user } } }
  fallback: { on: [503], response: { headers: [{ name: X-Old, value: "1" }], body: closed } }
  hedging: { after: 50ms }
  collapse: { headers: [Accept, Authorization] }
`;

const BUDGET = { percent: 20, intervalMs: 10_000, minRetries: 10, minRetriesIntervalMs: 1_000 };

test("every part travels as it is written, with the policy and with what shares its state", (t) => {
  const world = new RequestWorld(service("catalog") + route("  rules: [{ name: all }]") + policy(EVERY_PART));
  t.deepEqual(world.told, []);
  const part = { policy: "shop/p", scope: "Service shop/catalog" };
  t.deepEqual(world.entries[0]?.rules[0], {
    route: "shop/catalog",
    index: 0,
    name: "all",
    backends: [],
    sizes: { ...part, requestBytes: 1_048_576, responseBytes: 10_000_000, requestHeaderBytes: 16_384 },
    concurrency: { ...part, maxRequests: 100, maxWaiting: 50, maxWaitMs: 1_000 },
    breaker: {
      ...part,
      windowMs: 10_000,
      minRequests: 20,
      errorPercent: 50,
      openMs: 5_000,
      halfOpenRequests: 3,
    },
    rateLimits: [
      { ...part, requests: 100, perMs: 1_000, burst: 100, by: { from: "header", name: "x-user" } },
      { ...part, requests: 5, perMs: 60_000, burst: 9, by: { from: "source" } },
    ],
    quotas: [{ ...part, name: "shop/p", requests: 500, perMs: 1_000 }],
    faults: [
      {
        ...part,
        percent: 0.5,
        untilMs: Date.UTC(2026, 11, 1, 11),
        when: {
          namespaces: ["other"],
          claims: [{ name: "realm.roles", values: ["tester"] }],
          users: { percent: 5, by: { from: "cookie", name: "user" }, seed: "shop/p" },
        },
        delayMs: 2_000,
        abort: { status: 503, grpcStatus: 14 },
        bytesPerSecond: 10_240,
      },
    ],
    fallback: { ...part, on: [503], response: { status: 200, headers: [["x-old", "1"]], body: "closed" } },
    hedging: { ...part, afterMs: 50, attempts: 1, budget: BUDGET },
    collapsing: { ...part, headers: ["authorization", "cookie", "accept"], maxWaiting: 100 },
  });
});

test("what travels is what is received", (t) => {
  const text = service("catalog") + route("  rules: [{ name: all }]") + policy(`${EVERY_PART}${CHOICE}`);
  const { contents } = compileTable({ documents: parseDocuments(text, "f").documents, agentNodes: new Set() });
  const sent = { epoch: "e", sequence: 1, ...contents };
  t.deepEqual(parseSnapshot(JSON.parse(JSON.stringify(sent))), sent);
});

test("each part is the rule's, else the route's, else the Service's, as a whole", (t) => {
  const text =
    service("catalog") +
    route("  rules: [{ name: checkout, matches: [{ path: { value: /pay } }] }, {}]") +
    policy("  concurrency: { maxRequests: 1 }\n  quota: { requests: 1 }\n  sizes: { requestBody: 1 }", "of-service") +
    policy("  concurrency: { maxRequests: 2, maxWaiting: 7 }\n  sizes: { responseBody: 2 }", "of-route", ROUTE) +
    policy("  concurrency: { maxRequests: 3 }", "of-rule", `${ROUTE}, sectionName: checkout`);
  const world = new RequestWorld(text);
  t.deepEqual(world.told, []);
  const [checkout, rest] = world.entries[0]?.rules ?? [];
  const scope = "HTTPRoute shop/catalog";
  t.like(checkout, {
    concurrency: { policy: "shop/of-rule", scope: `${scope} checkout`, maxRequests: 3, maxWaiting: 0 },
    sizes: { policy: "shop/of-route", scope, responseBytes: 2 },
    quotas: [{ policy: "shop/of-service", scope: "Service shop/catalog" }],
  });
  t.false("requestBytes" in (checkout?.sizes ?? {}));
  t.like(rest, { concurrency: { policy: "shop/of-route", scope, maxRequests: 2, maxWaiting: 7 } });
});

test("a Service without routes whose policy speaks of requests has one rule for everything, on every TCP port", (t) => {
  const ports =
    "ports: [{ name: a, port: 80 }, { name: b, port: 81, appProtocol: mysql }, { name: c, port: 82, protocol: UDP }]";
  const text = service("catalog").replace(/ports: \[.*?\] /, ports);
  const world = new RequestWorld(text + policy("  timeouts: { request: 2s }"));
  t.deepEqual(world.told, []);
  t.deepEqual(world.entries, [
    {
      key: "shop/catalog:80",
      service: "shop/catalog",
      port: 80,
      kind: "TrafficPolicy",
      rules: [
        {
          route: "shop/p",
          index: 0,
          backends: [{ service: "shop/catalog", port: 80, weight: 1 }],
          timeouts: { requestMs: 2_000 },
        },
      ],
      matches: [{ rule: 0, index: 0, path: { type: "prefix", value: "" } }],
    },
  ]);
  t.is(world.ask("http://catalog/any/thing"), "catalog");
  const told = new RequestWorld(text + policy("  protocol: http\n  timeouts: { request: 2s }"));
  t.deepEqual(
    told.entries.map(({ port }) => port),
    [80, 81],
    "who says what is spoken is believed",
  );
  const nothing = new RequestWorld(text + policy("  locality: spread\n  retries: { attempts: 0 }"));
  t.deepEqual(nothing.entries, []);
});

test("ports and callers that have a route keep it, and the policy with it", (t) => {
  const text = service("catalog", 80, "").replace(
    "{ name: http, port: 80 }",
    "{ name: http, port: 80 }, { name: b, port: 81 }",
  );
  const onPort = route("  rules: [{}]").replace("name: catalog }]", "name: catalog, port: 80 }]");
  const world = new RequestWorld(text + onPort + policy("  timeouts: { request: 2s }"));
  t.deepEqual(
    world.entries.map(({ key, kind }) => `${kind} ${key}`),
    ["HTTPRoute shop/catalog:80", "TrafficPolicy shop/catalog:81"],
  );
  const consumer = route("  rules: [{}]")
    .replace("namespace: shop", "namespace: team-a")
    .replace("name: catalog }]", "name: catalog, namespace: shop }]");
  const both = new RequestWorld(service("catalog") + consumer + policy("  timeouts: { request: 2s }"));
  t.deepEqual(
    both.entries.map(({ key, kind }) => `${kind} ${key}`),
    ["TrafficPolicy shop/catalog:80", "HTTPRoute shop/catalog:80@team-a"],
  );
  t.deepEqual(
    both.entries.map(({ rules }) => rules[0]?.timeouts?.requestMs),
    [2_000, 2_000],
  );
});

test("where no request can be read, a policy that speaks of requests is told so", (t) => {
  const told = (text: string) => new RequestWorld(text + policy("  retries: {}")).told;
  t.deepEqual(told(service("catalog", 80, "clusterIP: None")), [
    "test.yaml:12:37 spec.targetRef.name: expected a Service whose requests pass an agent, for what this policy says of them, found Service shop/catalog, which is headless, it has no address of its own",
  ]);
  t.regex(
    told(service("catalog").replace("port: 80", "port: 80, appProtocol: https"))[0] ?? "",
    /has no TCP port that could carry HTTP$/,
  );
});

test("a Service that speaks tcp, as its policy has it, has no use for a route", (t) => {
  const text = service("catalog") + route("  rules: [{}]") + policy("  protocol: tcp");
  t.deepEqual(new RequestWorld(text).told, [
    "test.yaml:21:13 spec.protocol: expected a protocol with requests, or no route: with tcp nobody looks for them, found protocol tcp for Service shop/catalog, whose port 80 has HTTPRoute shop/catalog",
  ]);
});

test("a quota has one size, however many policies name it", (t) => {
  const two = (requests: number) =>
    service("catalog") +
    service("other/cart") +
    policy("  quota: { name: all, requests: 100, per: 1m }", "a") +
    policy(`  quota: { name: all, requests: ${requests}, per: 1m }`, "b", "kind: Service, name: cart", "other");
  t.deepEqual(new RequestWorld(two(100)).told, []);
  const world = new RequestWorld(two(90));
  t.deepEqual(world.told, [
    "test.yaml:19:10 spec.quota: expected 90 requests per 60 s, as in TrafficPolicy other/b (test.yaml:22), found 100 requests per 60 s for quota all",
  ]);
  t.deepEqual(
    world.entries.map(({ rules }) => rules[0]?.quotas?.[0]?.requests),
    [90, 90],
  );
});

test("a fallback to a Service that is not there is told, and left out", (t) => {
  const gone = policy("  fallback: { backend: { name: gone, port: 80 } }");
  const world = new RequestWorld(service("catalog") + gone);
  t.deepEqual(world.told, [
    "test.yaml:13:32 spec.fallback.backend.name: expected an existing Service (shop/catalog), found Service shop/gone, which does not exist",
  ]);
  t.deepEqual(world.entries, []);
  const other = policy("  fallback: { backend: { name: old, namespace: other, port: 8080 } }");
  const there = new RequestWorld(service("catalog") + service("other/old", 8080) + other);
  t.deepEqual(there.entries[0]?.rules[0]?.fallback?.backend, { service: "other/old", port: 8080 });
});

const CHOICE = `
  protocol: http2
  spillOver: { minHealthyPercent: 70 }
  loadBalancer:
    algorithm: hash
    hash: { cookie: { name: s, ttl: 1h } }
    slowStart: { window: 30s }
    honorRetryAfter: false
  ejection:
    consecutiveFailures: 7
    consecutiveErrors: 5
    successShare: { percent: 80 }
    latency: { factor: 3, interval: 5s }
    return: 30s
`;

test("what a policy says of endpoints is the Service's", (t) => {
  const { documents } = parseDocuments(service("catalog") + policy(CHOICE), "f");
  const { contents } = compileTable({ documents, agentNodes: new Set() });
  t.like(contents.services[0], {
    ports: [{ name: "http", port: 80, protocol: "TCP", policyProtocol: "http2" }],
    loadBalancer: "hash",
    hash: { from: "cookie", name: "s", path: "/", ttlMs: 3_600_000 },
    slowStart: { windowMs: 30_000, minPercent: 10 },
    spillOver: { minHealthyPercent: 70 },
    honorsRetryAfter: false,
    ejection: { consecutiveFailures: 7, baseEjectionMs: 10_000 },
    outlier: {
      consecutiveErrors: 5,
      successShare: { percent: 80, minRequests: 20, intervalMs: 10_000 },
      latency: { factor: 3, minRequests: 20, intervalMs: 5_000 },
      returnMs: 30_000,
    },
  });
});

test("a choice by what requests are or say needs them looked into, any other does not", (t) => {
  const routesOf = (spec: string) => {
    const { documents } = parseDocuments(service("catalog") + policy(spec), "f");
    return compileTable({ documents, agentNodes: new Set() }).contents.routes.map(({ key, kind }) => `${kind} ${key}`);
  };
  for (const part of [
    "loadBalancer: { algorithm: hash, hash: { header: x-user } }",
    "ejection: { consecutiveErrors: 5 }",
    "ejection: { successShare: { percent: 80 } }",
    "ejection: { latency: { factor: 3 } }",
  ]) {
    t.deepEqual(routesOf(`  ${part}`), ["TrafficPolicy shop/catalog:80"], part);
  }
  for (const part of [
    "loadBalancer: { slowStart: { window: 10s }, honorRetryAfter: true }",
    "ejection: { consecutiveFailures: 1, return: 10s }",
    "spillOver: { minHealthyPercent: 70 }",
  ]) {
    t.deepEqual(routesOf(`  ${part}`), [], part);
  }
});
