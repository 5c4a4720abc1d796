/** What the Gateway API's documentation and conformance suite say about filters, in own words, Locations and paths included. */
import test from "ava";
import type { ForwardRequest } from "../../../../routing/http/request-decision.ts";
import { changeHeaders } from "../../../../routing/http/change-headers.ts";
import { RequestWorld, type RequestOptions, route, service } from "./request-world.ts";

const BACKENDS = [80, 8080, 443].map((port) => service(`at-${port}`, port)).join("") + service("v1") + service("v2");

/** One rule for a path prefix with one filter, for a Service with ports 80, 443 and 8080. */
function filtered(prefix: string, filter: string, backends = "[{ name: v1, port: 80 }]"): RequestWorld {
  return new RequestWorld(
    `${BACKENDS}
apiVersion: v1
kind: Service
metadata: { name: catalog, namespace: shop }
spec: { ports: [{ name: http, port: 80 }, { name: alt, port: 8080 }, { name: https, port: 443 }] }
---
${route(`
  rules:
    - matches: [{ path: { value: ${prefix} } }]
      filters: [${filter.replaceAll("\n", " ")}]
      backendRefs: ${backends}`)}`,
  );
}

/** Location, or the status when there is none. */
function redirect(
  filter: string,
  url: string,
  { prefix = "/", ...options }: RequestOptions & { prefix?: string } = {},
) {
  const world = filtered(prefix, `{ type: RequestRedirect, requestRedirect: { ${filter} } }`, "[]");
  const decision = world.decide(url, options);
  if (decision.kind !== "respond" || world.told.length > 0) return JSON.stringify([decision, world.told]);
  const [, location] = decision.headers.find(([name]) => name === "location") ?? [];
  return `${decision.status} ${location}`;
}

test("Location: the parts that the filter names are replaced, the others are the request's", (t) => {
  const org = "http://redirect.example";
  const to = (filter: string, target: string, prefix?: string) =>
    redirect(filter, `http://catalog${target}`, { authority: "redirect.example", ...(prefix ? { prefix } : {}) });
  t.is(to("hostname: example.org", "/hostname-redirect"), "302 http://example.org/hostname-redirect");
  t.is(to("hostname: example.org, statusCode: 301", "/x"), "301 http://example.org/x");
  t.is(to("scheme: https, statusCode: 301", "/cinnamon"), "301 https://redirect.example/cinnamon");
  t.is(to("scheme: https, hostname: example.org", "/x?a=1&b=2"), "302 https://example.org/x?a=1&b=2");
  t.is(to("port: 8083", "/port"), `302 ${org}:8083/port`);
  t.is(to("port: 8083, hostname: example.org, statusCode: 308", "/p"), "308 http://example.org:8083/p");
  for (const status of [301, 302, 303, 307, 308]) {
    t.is(to(`hostname: example.org, statusCode: ${status}`, "/"), `${status} http://example.org/`);
  }
  const full = (path: string) => `path: { type: ReplaceFullPath, replaceFullPath: ${path} }`;
  t.is(to(full("/paprika"), "/cayenne/pinch", "/cayenne"), `302 ${org}/paprika`);
  t.is(to(full("/paprika"), "/cayenne?hot=1", "/cayenne"), `302 ${org}/paprika?hot=1`);
  t.is(to(full("/paprika?mild=1"), "/cayenne?hot=1", "/cayenne"), `302 ${org}/paprika?mild=1`);
  const start = (path: string) => `path: { type: ReplacePrefixMatch, replacePrefixMatch: ${path} }`;
  t.is(to(start("/paprika"), "/cayenne/pinch", "/cayenne"), `302 ${org}/paprika/pinch`);
  t.is(to(start("/paprika"), "/cayenne?hot=1", "/cayenne"), `302 ${org}/paprika?hot=1`);
  t.is(to(`${start("/b")}, hostname: example.org, statusCode: 301`, "/a", "/a"), "301 http://example.org/b");
});

test("Location: the port is the filter's, a scheme's own, or the one that was dialled, and left out where it goes without saying", (t) => {
  const cases: readonly (readonly [dialled: number, filter: string, expected: string])[] = [
    [80, "", "http://example.org/"],
    [80, "port: 80", "http://example.org/"],
    [80, "port: 8080", "http://example.org:8080/"],
    [80, "scheme: https", "https://example.org/"],
    [80, "scheme: https, port: 443", "https://example.org/"],
    [80, "scheme: https, port: 8443", "https://example.org:8443/"],
    [8080, "", "http://example.org:8080/"],
    [8080, "port: 80", "http://example.org/"],
    [8080, "scheme: https", "https://example.org/"],
    [8080, "scheme: http", "http://example.org/"],
    [443, "scheme: https", "https://example.org/"],
    [443, "port: 8443", "http://example.org:8443/"],
    [80, "scheme: http, port: 443", "http://example.org:443/"],
  ];
  for (const [dialled, filter, expected] of cases) {
    const parts = ["hostname: example.org", filter].filter((part) => part !== "").join(", ");
    t.is(redirect(parts, `http://catalog:${dialled}/`), `302 ${expected}`, `${dialled} ${filter}`);
  }
});

test("Location: the host is the request's without its port, or the Service's name when the request has none", (t) => {
  const to = (authority: string, port = 80) => redirect("statusCode: 302", `http://catalog:${port}/`, { authority });
  t.is(to("catalog.shop.svc.cluster.local"), "302 http://catalog.shop.svc.cluster.local/");
  t.is(to("catalog:8080", 8080), "302 http://catalog:8080/");
  t.is(to("[fd00::1]:80"), "302 http://[fd00::1]/");
  t.is(to("[fd00::1]"), "302 http://[fd00::1]/");
  t.is(to(""), "302 http://catalog.shop/");
});

test("Location: a target that is no path leads to the root", (t) => {
  t.is(
    redirect("scheme: https", "http://catalog", { method: "OPTIONS", target: "*", authority: "c" }),
    "302 https://c/",
  );
});

function rewritten(prefix: string, path: string, target: string): string | undefined {
  const world = filtered(prefix, `{ type: URLRewrite, urlRewrite: { ${path} } }`);
  const decision = world.decide(`http://catalog${target}`);
  return decision.kind === "forward" ? decision.target : JSON.stringify([decision, world.told]);
}

test("rewrites of a prefix: every line of the API's table", (t) => {
  const lines: readonly (readonly [path: string, prefix: string, replacement: string, expected: string])[] = [
    ["/foo/bar", "/foo", "/xyz", "/xyz/bar"],
    ["/foo/bar", "/foo", "/xyz/", "/xyz/bar"],
    ["/foo/bar", "/foo/", "/xyz", "/xyz/bar"],
    ["/foo/bar", "/foo/", "/xyz/", "/xyz/bar"],
    ["/foo", "/foo", "/xyz", "/xyz"],
    ["/foo/", "/foo", "/xyz", "/xyz/"],
    ["/foo/bar", "/foo", "''", "/bar"],
    ["/foo/", "/foo", "''", "/"],
    ["/foo", "/foo", "''", "/"],
    ["/foo/", "/foo", "/", "/"],
    ["/foo", "/foo", "/", "/"],
    // And those that it has not.
    ["/foo/bar?x=1", "/foo", "/xyz", "/xyz/bar?x=1"],
    ["/foo?x=/foo", "/foo", "/xyz", "/xyz?x=/foo"],
    ["/any", "/", "/xyz", "/xyz/any"],
    ["/", "/", "/xyz", "/xyz/"],
    ["/foo/bar", "/foo", "xyz", "/xyz/bar"],
    ["/prefix/one/two", "/prefix/one", "/one", "/one/two"],
    ["/%66oo/b%2Fr", "/foo", "/xyz", "/xyz/b%2Fr"],
    ["/other/../foo/bar", "/foo", "/xyz", "/xyz/bar"],
  ];
  for (const [path, prefix, replacement, expected] of lines) {
    const change = `path: { type: ReplacePrefixMatch, replacePrefixMatch: ${replacement} }`;
    t.is(rewritten(prefix, change, path), expected, `${path} ${prefix} ${replacement}`);
  }
});

test("rewrites of the whole path keep the query", (t) => {
  const change = (path: string) => `path: { type: ReplaceFullPath, replaceFullPath: ${path} }`;
  t.is(rewritten("/full", change("/one"), "/full/one/two"), "/one");
  t.is(rewritten("/full", change("/one"), "/full?x=1"), "/one?x=1");
  t.is(rewritten("/full", change("''"), "/full"), "/");
});

test("rewrites of the host replace the authority; without one it is the request's", (t) => {
  const world = filtered("/", "{ type: URLRewrite, urlRewrite: { hostname: one.example.org } }");
  t.like(world.decide("http://catalog:8080/one"), { authority: "one.example.org", target: "/one" });
  t.like(filtered("/", "").decide("http://catalog:8080/one"), { authority: "catalog:8080" });
});

test("paths are matched and sent on in one spelling, and the request's own text when that is the same", (t) => {
  const world = new RequestWorld(
    service("catalog") +
      service("v1") +
      route(`
  rules:
    - matches: [{ path: { value: /caf%c3%a9 } }, { path: { type: Exact, value: "/~ann" } }]
      backendRefs: [{ name: v1, port: 80 }]`),
  );
  const target = (path: string) => Reflect.get(world.decide(`http://catalog${path}`), "target") as unknown;
  t.is(target("/caf%C3%A9/x"), "/caf%C3%A9/x");
  t.is(target("/caf%c3%a9?q=%c3"), "/caf%C3%A9?q=%c3");
  t.is(target("/%7Eann"), "/~ann");
  t.is(target("/public/%2e%2e/~ann"), "/~ann");
  t.is(target("/~ann/./"), undefined, "404: the path is /~ann/");
});

/** Headers after what the decision says, of a request or a response that had these. */
function changed(world: RequestWorld, which: "requestHeaders" | "responseHeaders", before: Record<string, string>) {
  const decision = world.decide("http://catalog/") as ForwardRequest;
  const headers = new Map(Object.entries(before));
  changeHeaders(headers, decision[which]);
  return Object.fromEntries(headers);
}

const MODIFIER = `set: [{ name: X-Set-1, value: set-1 }, { name: x-set-2, value: set-2 }],
  add: [{ name: X-Add-1, value: add-1 }, { name: x-mixedCase-ADD, value: add-2 }, { name: X-Add-1, value: "ignored" }],
  remove: [X-Remove-1, x-remove-2]`.replace(', { name: X-Add-1, value: "ignored" }', "");

for (const which of ["requestHeaders", "responseHeaders"] as const) {
  const type = which === "requestHeaders" ? "RequestHeaderModifier" : "ResponseHeaderModifier";
  const key = type[0]?.toLowerCase() + type.slice(1);

  test(`${type}: sets, appends with a comma and removes, whatever the case of names`, (t) => {
    const world = filtered("/", `{ type: ${type}, ${key}: { ${MODIFIER} } }`);
    t.deepEqual(world.told, []);
    const before = { "x-set-1": "old", "x-mixedcase-add": "old", "x-remove-1": "x", "x-other": "kept" };
    t.deepEqual(changed(world, which, before), {
      "x-set-1": "set-1",
      "x-set-2": "set-2",
      "x-add-1": "add-1",
      "x-mixedcase-add": "old,add-2",
      "x-other": "kept",
    });
  });

  test(`${type}: the rule's comes first, then that of the backend that was chosen`, (t) => {
    const add = (value: string) => `{ type: ${type}, ${key}: { add: [{ name: x-by, value: ${value} }] } }`;
    const backends = `[{ name: v1, port: 80, filters: [${add("v1")}] }, { name: v2, port: 80, filters: [${add("v2")}] }]`;
    t.deepEqual(changed(filtered("/", add("rule"), backends), which, {}), { "x-by": "rule,v1" });
  });
}

test("headers that say where a message ends, or whom it is for, cannot be changed", (t) => {
  const set = (name: string) =>
    filtered("/", `{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: ${name}, value: x }] } }`)
      .told;
  for (const name of ["Host", "Content-Length", "transfer-encoding", "Connection", "TE"])
    t.is(set(name).length, 1, name);
  t.deepEqual(set("content-type"), []);
});

test("cookies of a response are not joined", (t) => {
  const cookies: string[] = [];
  const headers = new Map([["set-cookie", "a=1"]]);
  changeHeaders(headers, [{ add: [["set-cookie", "b=2"]] }], (cookie) => cookies.push(cookie));
  t.deepEqual([[...headers], cookies], [[["set-cookie", "a=1"]], ["b=2"]]);
});

test("a redirect of a backend answers that backend's share", (t) => {
  const filter = "{ type: RequestRedirect, requestRedirect: { hostname: example.org } }";
  const world = filtered("/", "", `[{ name: v1, port: 80 }, { name: v2, port: 80, filters: [${filter}] }]`);
  t.deepEqual(
    [world.ask("http://catalog/", { random: 0.4 }), world.ask("http://catalog/", { random: 0.6 })],
    ["v1", "302"],
  );
});

test("requests are mirrored by their share, and to nobody who is not there", (t) => {
  const mirror = (more: string, name = "v2") =>
    `{ type: RequestMirror, requestMirror: { backendRef: { name: ${name}, port: 80 }${more} } }`;
  const mirrors = (filters: string, mirrorRandom: number) =>
    (filtered("/", filters).decide("http://catalog/", { mirrorRandom }) as ForwardRequest).mirrors.map(
      (to) => to.service,
    );
  t.deepEqual(mirrors(mirror(""), 0.999), ["shop/v2"]);
  t.deepEqual(mirrors(`${mirror("")}, ${mirror("", "at-80")}`, 0.5), ["shop/v2", "shop/at-80"]);
  t.deepEqual(mirrors(mirror(", percent: 0"), 0), []);
  t.deepEqual(mirrors(mirror(", percent: 42"), 0.419), ["shop/v2"]);
  t.deepEqual(mirrors(mirror(", percent: 42"), 0.42), []);
  t.deepEqual(mirrors(mirror(", fraction: { numerator: 1, denominator: 3 }"), 0.33), ["shop/v2"]);
  t.deepEqual(mirrors(mirror(", fraction: { numerator: 1, denominator: 3 }"), 0.34), []);
  t.deepEqual(mirrors(mirror("", "gone"), 0), []);
  t.regex(
    filtered("/", mirror("", "gone")).told.join(""),
    /filters\[0\]\.requestMirror\.backendRef\.name: .*shop\/gone/,
  );
});

function cors(settings: string, headers: Record<string, string>, method = "OPTIONS") {
  const world = filtered("/", `{ type: CORS, cors: { ${settings} } }`);
  if (world.told.length > 0) return world.told;
  const decision = world.decide("http://catalog/", { method, headers });
  if (decision.kind === "respond") return [decision.status, Object.fromEntries(decision.headers)];
  if (decision.kind === "not-routed") return [];
  const response = new Map([["access-control-allow-origin", "https://by-the-backend.example"]]);
  changeHeaders(response, decision.responseHeaders);
  return [200, Object.fromEntries(response)];
}

const ASKED = { "access-control-request-method": "PUT", "access-control-request-headers": "x-header-1, x-header-2" };
const LISTS = `allowOrigins: ["https://www.foo.com", "https://*.bar.com"], allowMethods: [GET, OPTIONS],
  allowHeaders: [x-header-1, x-header-2], exposeHeaders: [x-header-3, x-header-4], allowCredentials: true, maxAge: 3600`;

test("CORS: a preflight from an allowed origin is answered with what is allowed", (t) => {
  for (const origin of [
    "https://www.foo.com",
    "https://www.bar.com",
    "https://xpto.www.bar.com",
    "https://WWW.foo.com",
  ]) {
    t.deepEqual(cors(LISTS, { origin, ...ASKED }), [
      204,
      {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-header-3, x-header-4",
        "access-control-allow-methods": "GET, OPTIONS",
        "access-control-allow-headers": "x-header-1, x-header-2",
        "access-control-max-age": "3600",
        vary: "Origin",
      },
    ]);
  }
});

test("CORS: a preflight from another origin is told nothing", (t) => {
  const others = [
    "https://foobar.com",
    "http://www.foo.com",
    "https://www.foo.com:8443",
    "https://bar.com",
    "https://evilbar.com",
    "https://www.bar.com.evil.example",
    "null",
  ];
  for (const origin of others) t.deepEqual(cors(LISTS, { origin, ...ASKED }), [204, { vary: "Origin" }], origin);
});

test("CORS: wildcards allow what was asked for", (t) => {
  const all = (credentials: boolean) =>
    `allowOrigins: ["*"], allowMethods: ["*"], allowHeaders: ["*"], exposeHeaders: ["*"], allowCredentials: ${credentials}`;
  const told = {
    "access-control-allow-origin": "https://foobar.com:12345",
    "access-control-allow-methods": "PUT",
    "access-control-allow-headers": "x-header-1, x-header-2",
    "access-control-max-age": "5",
    vary: "Origin",
  };
  const origin = "https://foobar.com:12345";
  t.deepEqual(cors(all(true), { origin, ...ASKED }), [204, { ...told, "access-control-allow-credentials": "true" }]);
  t.deepEqual(cors(all(false), { origin, ...ASKED }), [204, { ...told, "access-control-expose-headers": "*" }]);
  const { "access-control-allow-headers": _, ...withoutHeaders } = told;
  const asked = { origin, "access-control-request-method": "PUT" };
  t.deepEqual(cors(all(true), asked), [204, { ...withoutHeaders, "access-control-allow-credentials": "true" }]);
  t.is(cors('allowOrigins: ["https://*"]', { origin: "https://any.example", ...ASKED }).length, 2);
});

test("CORS: other requests are forwarded, and the filter has the last word on what the response says", (t) => {
  t.deepEqual(cors(LISTS, { origin: "https://www.foo.com" }, "GET"), [
    200,
    {
      "access-control-allow-origin": "https://www.foo.com",
      "access-control-allow-credentials": "true",
      "access-control-expose-headers": "x-header-3, x-header-4",
      vary: "Origin",
    },
  ]);
  t.deepEqual(cors(LISTS, { origin: "https://foobar.com" }, "GET"), [200, { vary: "Origin" }]);
  const untouched = { "access-control-allow-origin": "https://by-the-backend.example" };
  t.deepEqual(cors(LISTS, {}, "GET"), [200, untouched], "no cross-origin request");
  t.is(cors(LISTS, { origin: "https://www.foo.com" }).at(0), 200, "OPTIONS without a question is no preflight");
});
