/**
 * The examples of the Gateway API's documentation (guides, reference, mesh pages; kubernetes-sigs/gateway-api 4564255) as far as
 * they make sense for a Service, in own words: what each of them says is what becomes of requests. Where its pages attach a
 * route to a Gateway, it is attached to a Service here, where hostnames have no effect (GEP-1294).
 */
import test from "ava";
import { changeHeaders } from "../../../../routing/http/change-headers.ts";
import { type RequestOptions, RequestWorld, route, service } from "./request-world.ts";

/** Asked is `GET /path`, or just `/path`; expected what `outcome` says. */
type Asked = readonly [request: string, expected: string, headers?: RequestOptions["headers"]];

const BACKENDS = ["catalog", "v1", "v2", "v3", "canary"].map((name) => service(name, 80)).join("");
const GRPC = { "content-type": "application/grpc" };

/** `v1`; `v1 as /sent for host` when path or host are others; `302 http://where`. */
function outcome(world: RequestWorld, request: string, headers: RequestOptions["headers"] = {}): string {
  const [target = "", method = "GET"] = request.split(" ").reverse();
  const decision = world.decide(`http://catalog${target}`, { method, headers });
  if (decision.kind === "not-routed") return "not routed";
  if (decision.kind === "respond") {
    const location = decision.headers.find(([name]) => name === "location")?.[1];
    return location === undefined ? String(decision.status) : `${decision.status} ${location}`;
  }
  const { backend, target: sent, authority } = decision;
  const name = backend.service.split("/")[1] ?? "";
  return `${name}${sent === target ? "" : ` as ${sent}`}${authority === "catalog" ? "" : ` for ${authority}`}`;
}

function example(page: string, rules: string, asked: readonly Asked[], kind = "HTTPRoute"): void {
  test(page, (t) => {
    const world = new RequestWorld(BACKENDS + route(rules, "example", kind));
    t.deepEqual(world.told, []);
    for (const [request, expected, headers] of asked) {
      t.is(outcome(world, request, headers), expected, `${request} ${JSON.stringify(headers ?? {})}`);
    }
  });
}

const to = (name: string, weight?: number) =>
  `backendRefs: [{ name: ${name}, port: 80${weight === undefined ? "" : `, weight: ${weight}`} }]`;

example(
  "HTTP routing: a path, or else a header for the canary",
  `  hostnames: [foo.example.com]
  rules:
    - { matches: [{ path: { type: PathPrefix, value: /login } }], ${to("v1")} }
    - { matches: [{ headers: [{ type: Exact, name: env, value: canary }] }], ${to("canary")} }
    - { ${to("v2")} }`,
  [
    ["/login", "v1"],
    ["/login/now", "v1"],
    ["/login", "v1", { env: "canary" }],
    ["/", "canary", { env: "canary" }],
    ["/", "v2", { env: "Canary" }],
    ["/loginnow", "v2"],
  ],
);

example(
  "basic HTTP: one match asks for path, method, header and query parameter together",
  `  rules:
    - { matches: [{ path: { type: PathPrefix, value: /bar } }], ${to("v1")} }
    - matches:
        - headers: [{ type: Exact, name: magic, value: foo }]
          queryParams: [{ type: Exact, name: great, value: example }]
          path: { type: PathPrefix, value: /some/thing }
          method: GET
      ${to("v2")}`,
  [
    ["/bar", "v1"],
    ["/some/thing?great=example", "v2", { magic: "foo" }],
    ["POST /some/thing?great=example", "404", { magic: "foo" }],
    ["/some/thing?great=example", "404"],
    ["/some/thing", "404", { magic: "foo" }],
    ["/", "404"],
  ],
);

example(
  "default match: a match without a path is for every path",
  `  rules:
    - { matches: [{ headers: [{ type: Exact, name: magic, value: default-match }] }], ${to("v1")} }
    - { matches: [{ path: { type: Exact, value: /example/exact } }], ${to("v2")} }`,
  [
    ["/any", "v1", { magic: "default-match" }],
    ["/example/exact", "v2", { magic: "default-match" }],
    ["/example/exact/more", "404"],
  ],
);

example(
  "prefixes: whole segments, and escapes mean what they stand for",
  `  rules:
    - { matches: [{ path: { value: /mypath } }], ${to("v1")} }
    - { matches: [{ path: { value: /mypath-012 } }], ${to("v2")} }
    - { matches: [{ path: { value: /my%20path/123 } }], ${to("v3")} }`,
  [
    ["/mypath/x", "v1"],
    ["/mypath-012", "v2"],
    ["/mypath-0123", "404"],
    ["/my%20path/123/x", "v3"],
  ],
);

example(
  "method matching: by itself, with paths and headers, and in alternatives",
  `  rules:
    - { matches: [{ method: POST }], ${to("v1")} }
    - { matches: [{ method: GET }], ${to("v2")} }
    - { matches: [{ path: { value: /path1 }, method: GET }], ${to("v1")} }
    - { matches: [{ headers: [{ name: version, value: one }], method: PUT }], ${to("v2")} }
    - { matches: [{ path: { value: /path2 }, headers: [{ name: version, value: two }], method: POST }], ${to("v3")} }
    - matches:
        - { path: { value: /path3 }, method: PATCH }
        - { path: { value: /path4 }, headers: [{ name: version, value: three }], method: DELETE }
      ${to("v1")}`,
  [
    ["POST /", "v1"],
    ["GET /", "v2"],
    ["HEAD /", "404"],
    ["GET /path1", "v1"],
    ["PUT /", "v2", { version: "one" }],
    ["PUT /", "404"],
    ["POST /path2", "v3", { version: "two" }],
    ["POST /path2", "v1", { version: "one" }],
    ["PATCH /path3", "v1"],
    ["DELETE /path4", "v1", { version: "three" }],
    ["DELETE /path3", "404"],
  ],
);

example(
  "query parameters: all of one match, any of several, with paths and headers; names and values have their case",
  `  rules:
    - { matches: [{ queryParams: [{ name: animal, value: whale }] }], ${to("v1")} }
    - { matches: [{ queryParams: [{ name: animal, value: dolphin }] }], ${to("v2")} }
    - matches:
        - queryParams: [{ name: animal, value: dolphin }, { name: color, value: blue }]
        - queryParams: [{ name: ANIMAL, value: Whale }]
      ${to("v3")}
    - { matches: [{ path: { value: /path1 }, queryParams: [{ name: animal, value: whale }] }], ${to("canary")} }
    - { matches: [{ headers: [{ name: version, value: one }], queryParams: [{ name: animal, value: whale }] }], ${to("v2")} }`,
  [
    ["/?animal=whale", "v1"],
    ["/?animal=dolphin", "v2"],
    ["/?color=blue&animal=dolphin", "v3"],
    ["/?ANIMAL=Whale", "v3"],
    ["/?ANIMAL=whale", "404"],
    ["/path1?animal=whale", "canary"],
    ["/path1?animal=whale", "canary", { version: "one" }],
    ["/path2?animal=whale", "v2", { version: "one" }],
    ["/", "404"],
  ],
);

example(
  "rules by name: reading and writing",
  `  rules:
    - { name: read-only, matches: [{ method: GET }], ${to("v1")} }
    - { name: write-only, matches: [{ method: POST }, { method: PATCH }, { method: DELETE }], ${to("v2")} }`,
  [
    ["GET /", "v1"],
    ["DELETE /", "v2"],
    ["PUT /", "404"],
  ],
);

example(
  "redirects: to https, to another path, after a form, and those that keep the method",
  `  rules:
    - { matches: [{ path: { value: /secure } }], filters: [{ type: RequestRedirect, requestRedirect: { scheme: https, statusCode: 301 } }] }
    - matches: [{ path: { value: /cayenne } }]
      filters: [{ type: RequestRedirect, requestRedirect: { path: { type: ReplaceFullPath, replaceFullPath: /paprika }, statusCode: 302 } }]
    - matches: [{ path: { value: /prefix/cayenne } }]
      filters: [{ type: RequestRedirect, requestRedirect: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /paprika }, statusCode: 302 } }]
    - matches: [{ path: { type: Exact, value: /submit-form }, method: POST }]
      filters: [{ type: RequestRedirect, requestRedirect: { path: { type: ReplaceFullPath, replaceFullPath: /thank-you }, statusCode: 303 } }]
    - matches: [{ path: { value: /api/v1 } }]
      filters: [{ type: RequestRedirect, requestRedirect: { path: { type: ReplaceFullPath, replaceFullPath: /api/v2 }, statusCode: 307 } }]
    - matches: [{ path: { value: /old-api } }]
      filters: [{ type: RequestRedirect, requestRedirect: { path: { type: ReplaceFullPath, replaceFullPath: /new-api }, statusCode: 308 } }]`,
  [
    ["/secure/a?b=c", "301 https://catalog/secure/a?b=c"],
    ["/cayenne/teaspoon", "302 http://catalog/paprika"],
    ["/prefix/cayenne/teaspoon", "302 http://catalog/paprika/teaspoon"],
    ["POST /submit-form", "303 http://catalog/thank-you"],
    ["GET /submit-form", "404"],
    ["POST /api/v1/users", "307 http://catalog/api/v2"],
    ["PUT /old-api/users", "308 http://catalog/new-api"],
  ],
);

const redirect = (path: string, how: string): string =>
  `    - { matches: [{ path: { value: ${path} } }], filters: [{ type: RequestRedirect, requestRedirect: { ${how} } }] }`;

example(
  "mesh conformance: redirects of host, port, scheme and path, each with its Location",
  [
    "  rules:",
    redirect("/host", "hostname: example.org"),
    redirect("/host-and-status", "hostname: example.org, statusCode: 301"),
    redirect("/port", "port: 8083"),
    redirect("/port-and-host", "port: 8083, hostname: example.org"),
    redirect("/port-and-host-and-status", "port: 8083, hostname: example.org, statusCode: 302"),
    redirect("/scheme", "scheme: https"),
    redirect("/scheme-and-host", "scheme: https, hostname: example.org"),
    redirect("/scheme-and-status", "scheme: https, statusCode: 301"),
    redirect("/original-prefix", "path: { type: ReplacePrefixMatch, replacePrefixMatch: /replacement-prefix }"),
    redirect("/full", "path: { type: ReplaceFullPath, replaceFullPath: /full-path-replacement }"),
    redirect(
      "/path-and-host",
      "hostname: example.org, path: { type: ReplacePrefixMatch, replacePrefixMatch: /replacement-prefix }",
    ),
  ].join("\n"),
  [
    ["/host", "302 http://example.org/host"],
    ["/host-and-status", "301 http://example.org/host-and-status"],
    ["/port", "302 http://catalog:8083/port"],
    ["/port-and-host", "302 http://example.org:8083/port-and-host"],
    ["/port-and-host-and-status", "302 http://example.org:8083/port-and-host-and-status"],
    ["/scheme", "302 https://catalog/scheme"],
    ["/scheme-and-host", "302 https://example.org/scheme-and-host"],
    ["/scheme-and-status", "301 https://catalog/scheme-and-status"],
    ["/original-prefix/lemon", "302 http://catalog/replacement-prefix/lemon"],
    ["/full/path/original", "302 http://catalog/full-path-replacement"],
    ["/path-and-host/lemon", "302 http://example.org/replacement-prefix/lemon"],
  ],
);

example(
  "rewrites: of the host, of the whole path, of the prefix",
  `  rules:
    - { filters: [{ type: URLRewrite, urlRewrite: { hostname: elsewhere.example } }], ${to("v1")} }
    - matches: [{ path: { value: /cardamom } }]
      filters: [{ type: URLRewrite, urlRewrite: { hostname: elsewhere.example, path: { type: ReplaceFullPath, replaceFullPath: /fennel } } }]
      ${to("v2")}
    - matches: [{ path: { value: /prefix/one } }]
      filters: [{ type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /one } } }]
      ${to("v3")}
    - matches: [{ path: { value: /strip-prefix } }]
      filters: [{ type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: / } } }]
      ${to("v3")}`,
  [
    ["/a?b=c", "v1 for elsewhere.example"],
    ["/cardamom/twigs", "v2 as /fennel for elsewhere.example"],
    ["/prefix/one/two", "v3 as /one/two"],
    ["/strip-prefix/three", "v3 as /three"],
    ["/strip-prefix", "v3 as /"],
  ],
);

test("header modifiers: added, set and removed on the way there and back, also beside a rewrite", (t) => {
  const modifier = (type: string, changes: string): string =>
    `{ type: ${type}, ${type[0]?.toLowerCase()}${type.slice(1)}: { ${changes} } }`;
  const rules = `  rules:
    - matches: [{ path: { value: /add } }]
      filters: [${modifier("RequestHeaderModifier", "add: [{ name: my-header-name, value: my-header-value }]")}]
      ${to("v1")}
    - matches: [{ path: { value: /set } }]
      filters: [${modifier("RequestHeaderModifier", "set: [{ name: My-Header-Name, value: my-new-header-value }]")}]
      ${to("v1")}
    - matches: [{ path: { value: /remove } }]
      filters: [${modifier("RequestHeaderModifier", "remove: [x-request-id]")}]
      ${to("v1")}
    - matches: [{ path: { value: /answer } }]
      filters: [${modifier("ResponseHeaderModifier", "add: [{ name: X-Header-Add-1, value: header-add-1 }, { name: Content-Disposition, value: 'attachment; filename=\"a.txt\"' }]")}]
      ${to("v1")}
    - matches: [{ path: { value: /full } }]
      filters:
        - { type: URLRewrite, urlRewrite: { path: { type: ReplaceFullPath, replaceFullPath: /test } } }
        - ${modifier("RequestHeaderModifier", "set: [{ name: X-Set, value: new }], add: [{ name: X-Append, value: two }], remove: [X-Remove]")}
      ${to("v1")}`;
  const world = new RequestWorld(BACKENDS + route(rules));
  t.deepEqual(world.told, []);
  const sent = (path: string, headers: Readonly<Record<string, string>> = {}, back = false) => {
    const decision = world.decide(`http://catalog${path}`, { headers });
    if (decision.kind !== "forward") return undefined;
    const changes = back ? decision.responseHeaders : decision.requestHeaders;
    const changed = new Map(Object.entries(headers));
    changeHeaders(changed, changes);
    return Object.fromEntries(changed);
  };
  t.deepEqual(sent("/add", { "my-header-name": "was" }), { "my-header-name": "was,my-header-value" });
  t.deepEqual(sent("/set", { "my-header-name": "was" }), { "my-header-name": "my-new-header-value" });
  t.deepEqual(sent("/remove", { "x-request-id": "1", other: "2" }), { other: "2" });
  t.deepEqual(sent("/answer", {}, true), {
    "x-header-add-1": "header-add-1",
    "content-disposition": 'attachment; filename="a.txt"',
  });
  t.is(outcome(world, "/full/x"), "v1 as /test");
  t.deepEqual(sent("/full/x", { "x-set": "old", "x-append": "one", "x-remove": "gone" }), {
    "x-set": "new",
    "x-append": "one,two",
  });
});

test("traffic splitting: a header first, then a tenth, then all", (t) => {
  const shares = (rules: string, headers: RequestOptions["headers"] = {}) => {
    const world = new RequestWorld(BACKENDS + route(rules));
    t.deepEqual(world.told, []);
    const counts: Record<string, number> = {};
    for (let n = 0; n < 100; n += 1) {
      const name = world.ask("http://catalog/", { random: (n + 0.5) / 100, headers });
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  };
  const byHeader = `  rules: [{ ${to("v1")} }, { matches: [{ headers: [{ name: traffic, value: test }] }], ${to("v2")} }]`;
  t.deepEqual(shares(byHeader), { v1: 100 });
  t.deepEqual(shares(byHeader, { traffic: "test" }), { v2: 100 });
  const split = (v1: number, v2: number) =>
    `  rules: [{ backendRefs: [{ name: v1, port: 80, weight: ${v1} }, { name: v2, port: 80, weight: ${v2} }] }]`;
  t.deepEqual(shares(split(90, 10)), { v1: 90, v2: 10 });
  t.deepEqual(shares(split(0, 1)), { v2: 100 });
});

test("mirroring: the answer is the first backend's, the copy goes to the other", (t) => {
  const mirror = "filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: v2, port: 80 } } }]";
  const world = new RequestWorld(BACKENDS + route(`  rules: [{ ${mirror}, ${to("v1")} }]`));
  t.like(world.decide("http://catalog/"), {
    backend: { service: "shop/v1" },
    mirrors: [{ service: "shop/v2", port: 80 }],
  });
});

test("timeouts: of the request, of each try, and none at all", (t) => {
  const rules = `  rules:
    - { matches: [{ path: { value: /request-timeout } }], timeouts: { request: 500ms }, ${to("v1")} }
    - { matches: [{ path: { value: /timeout } }], timeouts: { request: 10s, backendRequest: 2s }, ${to("v1")} }
    - { matches: [{ path: { value: /disable } }], timeouts: { request: "0s" }, ${to("v1")} }`;
  const world = new RequestWorld(BACKENDS + route(rules));
  t.deepEqual(
    world.entries[0]?.rules.map(({ timeouts }) => timeouts),
    [{ requestMs: 500 }, { requestMs: 10_000, perTryMs: 2_000 }, { requestMs: 0 }],
  );
});

example(
  "gRPC: by service and method, by metadata, reflection for all of a service, and the rest is no rule's",
  `  rules:
    - { matches: [{ method: { service: com.example.User, method: Login } }], ${to("v1")} }
    - { matches: [{ headers: [{ type: Exact, name: magic, value: foo }], method: { service: com.example.Things, method: DoThing } }], ${to("v2")} }
    - { matches: [{ method: { service: grpc.reflection.v1.ServerReflection } }], ${to("v3")} }
    - { matches: [{ headers: [{ type: Exact, name: env, value: canary }] }], ${to("canary")} }`,
  [
    ["POST /com.example.User/Login", "v1", GRPC],
    ["POST /com.example.User/Logout", "404", GRPC],
    ["POST /com.example.Things/DoThing", "v2", { ...GRPC, magic: "foo" }],
    ["POST /com.example.Things/DoThing", "404", GRPC],
    ["POST /grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "v3", GRPC],
    ["POST /any.Service/Call", "canary", { ...GRPC, env: "canary" }],
    ["POST /com.example.User/Login", "404"],
  ],
  "GRPCRoute",
);

test("mesh conformance: 70 to 30, whatever a backend without a share is missing", (t) => {
  const backends =
    "{ name: v1, port: 80, weight: 70 }, { name: v2, port: 80, weight: 30 }, { name: gone, port: 80, weight: 0 }";
  const world = new RequestWorld(BACKENDS + route(`  rules: [{ backendRefs: [${backends}] }]`, "weights", "GRPCRoute"));
  t.deepEqual(world.told, []);
  const options = { method: "POST", headers: GRPC };
  t.is(world.ask("http://catalog/a.B/C", { ...options, random: 0.699 }), "v1");
  t.is(world.ask("http://catalog/a.B/C", { ...options, random: 0.7 }), "v2");
});

test("mesh pages: producers for everyone, a consumer's timeout for its own callers", (t) => {
  const producer = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: smiley-route, namespace: faces }
spec:
  parentRefs: [{ name: smiley, kind: Service, group: "", port: 80 }]
  rules: [{ backendRefs: [{ name: smiley, port: 80 }] }]
---
`;
  const consumer = producer
    .replace("namespace: faces }", "namespace: fast-clients }")
    .replace("name: smiley, kind", "name: smiley, namespace: faces, kind")
    .replace(
      "[{ name: smiley, port: 80 }]",
      "[{ name: smiley, namespace: faces, port: 80 }], timeouts: { request: 100ms }",
    );
  const world = new RequestWorld(service("faces/smiley") + producer + consumer);
  t.deepEqual(world.told, []);
  const timeoutOf = (from: string) => {
    const decision = world.decide("http://smiley.faces/", { from });
    return decision.kind === "forward" ? decision.by.rule.timeouts?.requestMs : decision.kind;
  };
  t.deepEqual([timeoutOf("faces"), timeoutOf("others"), timeoutOf("fast-clients")], [undefined, undefined, 100]);
});

test("backends of other kinds are told, and their share is answered with 500", (t) => {
  const rules = `  rules: [{ backendRefs: [{ name: v1, port: 80, weight: 90 }, { group: multicluster.x-k8s.io, kind: ServiceImport, name: store-global, port: 80, weight: 10 }] }]`;
  const world = new RequestWorld(BACKENDS + route(rules));
  t.regex(world.told.join("\n"), /found multicluster\.x-k8s\.io\/ServiceImport$/);
  t.is(world.statuses[0]?.parents[0]?.conditions[1]?.reason, "InvalidKind");
  t.deepEqual(
    [world.ask("http://catalog/", { random: 0 }), world.ask("http://catalog/", { random: 0.95 })],
    ["v1", "500"],
  );
});

test("cross-namespace: with grants asked for, one of the Service's namespace allows it", (t) => {
  const grant = `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: bar, namespace: bar }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop }]
  to: [{ group: "", kind: Service }]
---
`;
  const rules = "  rules: [{ backendRefs: [{ name: bar, namespace: bar, port: 80 }] }]";
  const text = BACKENDS + service("bar/bar") + route(rules);
  t.is(new RequestWorld(text, { requireGrants: true }).ask("http://catalog/"), "500");
  t.is(new RequestWorld(text + grant, { requireGrants: true }).ask("http://catalog/"), "bar");
  t.is(new RequestWorld(text).ask("http://catalog/"), "bar", "a mesh asks for none");
});
