/** Every rule of the upstream schemas that a route can break, and every one of our own, with the path it is told for. */
import test from "ava";
import fc from "fast-check";
import { parseDocuments } from "../../../../../protocol/documents/parse-documents.ts";

/** One rule of an HTTPRoute, as JSON with single quotes, which is YAML. */
const inRule = (rule: string) => spec(`{ rules: [${rule}] }`);
const inMatch = (match: string) => inRule(`{ matches: [${match}] }`);
const inFilter = (filter: string) => inRule(`{ filters: [${filter}] }`);

/** What is told of an HTTPRoute with this spec: `path: message`. */
function spec(text: string, kind = "HTTPRoute"): readonly string[] {
  const { problems } = parseDocuments(
    `{ apiVersion: gateway.networking.k8s.io/v1, kind: ${kind}, metadata: { name: r, namespace: shop }, spec: ${text} }`,
    "f",
  );
  return problems.map(({ path, message }) => `${path.replace("spec.rules[0].", "")}: ${message}`);
}

const repeated = (text: string, times: number) => Array.from({ length: times }, () => text).join(", ");
const numbered = (text: string, times: number) =>
  Array.from({ length: times }, (_, i) => text.replace("#", `${i}`)).join(", ");

test("a route with everything it may have", (t) => {
  const { documents, problems } = parseDocuments(
    `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: everything
  namespace: shop
  creationTimestamp: "2026-01-31T12:00:00Z"
  generation: 3
spec:
  parentRefs:
    - { group: "", kind: Service, namespace: other, name: catalog, port: 80, sectionName: http }
    - { name: some-gateway }
  hostnames: ["*.example.com", shop.example]
  useDefaultGateways: All
  rules:
    - name: first
      matches:
        - path: { type: Exact, value: "/a/%41~;=:@!$&'()*+,-._" }
          method: PATCH
          headers: [{ type: RegularExpression, name: x-a, value: "v[12]" }]
          queryParams: [{ name: q, value: any thing }]
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: { set: [{ name: a, value: b }], add: [{ name: c, value: d e }], remove: [f] }
        - type: ResponseHeaderModifier
          responseHeaderModifier: { remove: [server] }
        - type: RequestMirror
          requestMirror: { backendRef: { name: a, port: 80 }, percent: 5 }
        - type: RequestMirror
          requestMirror: { backendRef: { name: b, port: 80 }, fraction: { numerator: 1, denominator: 1000 } }
        - type: URLRewrite
          urlRewrite: { hostname: a.example, path: { type: ReplaceFullPath, replaceFullPath: /x } }
        - type: CORS
          cors: { allowOrigins: ["https://*.example.com:8443"], allowMethods: [GET], maxAge: 60 }
      backendRefs:
        - { name: a, namespace: b, port: 8080, weight: 1000000, filters: [] }
      timeouts: { request: 10s, backendRequest: 10s }
      retry: { codes: [500, 429], attempts: 3, backoff: 100ms }
      sessionPersistence: { type: Header, header: { name: x-session }, absoluteTimeout: 1h }
`,
    "f",
  );
  t.deepEqual(problems, []);
  t.like(documents[0], {
    spec: {
      parentRefs: [{ port: 80 }, { group: "gateway.networking.k8s.io", kind: "Gateway", name: "some-gateway" }],
      rules: [
        {
          timeouts: { request: 10_000 },
          retry: { backoff: 100 },
        },
      ],
    },
  });
});

test("what is absent has the API's defaults", (t) => {
  const { documents } = parseDocuments(
    "{ apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: { name: r }, spec: { rules: [{ backendRefs: [{ name: a, port: 80 }] }] } }",
    "f",
  );
  const everything = { path: { type: "PathPrefix", value: "/" }, headers: [], queryParams: [] };
  const backend = { group: "", kind: "Service", name: "a", port: 80, weight: 1 };
  t.like(documents[0], {
    spec: { parentRefs: [], rules: [{ matches: [everything], filters: [], backendRefs: [backend] }] },
  });
});

test("paths", (t) => {
  const told = (type: string, value: string) =>
    inMatch(`{ path: { type: ${type}, value: '${value}' } }`).map((one) => one.slice(one.indexOf(": ") + 2));
  for (const type of ["Exact", "PathPrefix"]) {
    const expected = (what: string, value: string) => [`expected ${what}, found text ${JSON.stringify(value)}`];
    t.deepEqual(told(type, "items"), expected("a path that begins with /", "items"));
    t.deepEqual(told(type, ""), expected("a path that begins with /", ""));
    t.deepEqual(told(type, "/a//b"), expected("a path without //", "/a//b"));
    for (const dots of ["/a/./b", "/a/../b", "/a/.", "/.."]) {
      t.deepEqual(told(type, dots), expected("a path without the segments . and ..", dots));
    }
    for (const slash of ["/a%2fb", "/a%2Fb"]) t.deepEqual(told(type, slash), expected("a path without %2F", slash));
    t.deepEqual(told(type, "/a#b"), expected("a path without #", "/a#b"));
    for (const other of ["/a b", "/a?b", "/é", "/a%4", "/a%zz", '/"']) {
      t.deepEqual(
        told(type, other),
        expected("a path of the characters that a URL's path may have, others as %XX", other),
      );
    }
    t.deepEqual(told(type, "/.a/..b/c.."), []);
    t.is(told(type, `/${"a".repeat(1024)}`).length, 1);
  }
  t.deepEqual(inMatch("{ path: { type: Prefix, value: / } }"), [
    'matches[0].path.type: expected Exact, PathPrefix or RegularExpression, found text "Prefix"',
  ]);
});

test("regular expressions are of RE2, and of a bounded size", (t) => {
  const told = (value: string) => inMatch(`{ path: { type: RegularExpression, value: '${value}' } }`).join("");
  t.is(told("/a(b|c)*[^/]+"), "");
  for (const wrong of ["(", "[a", "a{2,1}", "\\1(a)", "(?=a)", "(?<!a)b", "a**", "\\p{Nosuch}"]) {
    t.regex(told(wrong), /expected a regular expression in the syntax of RE2 \(/, wrong);
  }
  for (const large of ["[a-z]{500}", "(a{30}){30}", "(a|b|c|d|e){200}"]) {
    t.regex(told(large), /expected a smaller regular expression/, large);
  }
  t.regex(told("((a{100}){100}){100}"), /invalid repeat count/);
  const header = (type: string) => inMatch(`{ headers: [{ type: ${type}, name: a, value: "(" }] }`).length;
  t.deepEqual([header("Exact"), header("RegularExpression")], [0, 1]);
  t.is(inMatch('{ queryParams: [{ type: RegularExpression, name: a, value: "(" }] }').length, 1);
});

test("headers and query parameters", (t) => {
  t.deepEqual(inMatch("{ headers: [{ name: ':method', value: GET }] }"), [
    'matches[0].headers[0].name: expected a name of letters, digits and !#$%&\'*+-.^_`|~ with at most 256 characters, found text ":method"',
  ]);
  for (const value of ["", " a", "a ", "a  b", "a\\nb", "a\\rb", "ü", "\\u0000"]) {
    t.is(inMatch(`{ headers: [{ name: a, value: "${value}" }] }`).length, 1, value);
  }
  t.deepEqual(inMatch("{ headers: [{ name: a, value: x }, { name: a, value: y }] }"), [
    'matches[0].headers[1].name: expected a name that none of the other headers has, found text "a"',
  ]);
  t.deepEqual(
    inMatch("{ headers: [{ name: a, value: x }, { name: A, value: y }] }"),
    [],
    "the second is not looked at",
  );
  t.is(inMatch(`{ headers: [${numbered("{ name: a#, value: x }", 17)}] }`).length, 1);
  t.is(inMatch("{ queryParams: [{ name: a, value: '' }] }").length, 1);
  t.is(inMatch(`{ queryParams: [${numbered("{ name: a#, value: x }", 17)}] }`).length, 1);
  t.deepEqual(inMatch("{ method: get }"), [
    'matches[0].method: expected GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE or PATCH, found text "get", did you mean GET',
  ]);
});

test("counts: rules, matches in a rule and in a route, filters, backends, parents", (t) => {
  t.deepEqual(spec("{ rules: [] }"), ["spec.rules: expected at least one rule, found a list"]);
  t.is(spec(`{ rules: [${repeated("{}", 17)}] }`).length, 1);
  t.is(inRule(`{ matches: [${repeated("{}", 65)}] }`).length, 1);
  t.deepEqual(spec(`{ rules: [${repeated(`{ matches: [${repeated("{}", 43)}] }`, 3)}] }`), [
    "spec.rules[2].matches: expected at most 128 matches in all rules together, found a list",
  ]);
  t.is(inRule(`{ backendRefs: [${repeated("{ name: a, port: 80 }", 17)}] }`).length, 1);
  t.is(
    inFilter(repeated("{ type: RequestMirror, requestMirror: { backendRef: { name: a, port: 80 } } }", 17)).length,
    1,
  );
  t.is(spec(`{ parentRefs: [${numbered("{ name: a# }", 33)}] }`).length, 1);
});

test("names of rules are unique", (t) => {
  t.deepEqual(spec("{ rules: [{ name: a }, {}, {}, { name: a }] }"), [
    'spec.rules[3].name: expected a name that no other rule of the route has, found text "a"',
  ]);
});

test("parents of one object are told apart alike", (t) => {
  const parents = (...refs: string[]) =>
    spec(`{ parentRefs: [${refs.map((ref) => `{ group: '', kind: Service, name: ${ref} }`).join(", ")}] }`);
  t.deepEqual(parents("a", "b", "a, namespace: x"), []);
  t.deepEqual(parents("a, port: 80", "a, port: 81"), []);
  t.deepEqual(parents("a, sectionName: x", "a, sectionName: y"), []);
  t.regex(parents("a", "a").join(""), /parentRefs\[1\]: expected a parent that differs/);
  t.regex(parents("a, port: 80", "a, port: 80").join(""), /parentRefs\[1\]: expected a parent that differs/);
  t.regex(parents("a", "a, port: 81").join(""), /parentRefs\[1\]: expected sectionName and port set alike/);
  t.deepEqual(spec("{ parentRefs: [{ kind: Service, name: a }] }"), [
    'spec.parentRefs[0].group: missing, expected "" as the group of a Service',
  ]);
});

test("backends", (t) => {
  const told = (backend: string) => inRule(`{ backendRefs: [{ ${backend} }] }`);
  t.deepEqual(told("name: a"), ["backendRefs[0].port: missing, expected the port of the Service"]);
  t.deepEqual(told("group: example.com, kind: Bucket, name: a"), []);
  t.deepEqual(told("name: a, port: 80, weight: -1"), [
    "backendRefs[0].weight: expected a weight from 0 to 1000000, found number -1",
  ]);
  t.is(told("name: a, port: 80, weight: 1000001").length, 1);
  t.is(told("name: a, port: 0").length, 1);
  t.is(told("name: '', port: 80").length, 1);
  t.deepEqual(
    inRule("{ backendRefs: [{ name: a, port: 80 }], filters: [{ type: RequestRedirect, requestRedirect: {} }] }"),
    ["backendRefs: expected no backends in a rule that redirects, found a list"],
  );
});

test("filters hold what their type says, once, and no redirect with a rewrite", (t) => {
  t.deepEqual(inFilter("{ type: URLRewrite }"), [
    "filters[0].urlRewrite: missing, expected what the filter of type URLRewrite does",
  ]);
  t.deepEqual(inFilter("{ type: URLRewrite, urlRewrite: {}, cors: {} }"), [
    "filters[0].cors: expected no such key for type URLRewrite, found a mapping",
  ]);
  for (const type of ["RequestHeaderModifier", "ResponseHeaderModifier", "URLRewrite", "CORS", "RequestRedirect"]) {
    const key =
      type === "CORS" ? "cors" : type === "URLRewrite" ? "urlRewrite" : `${type[0]?.toLowerCase()}${type.slice(1)}`;
    const told = inFilter(repeated(`{ type: ${type}, ${key}: {} }`, 2));
    t.deepEqual(told, [`filters[1].type: expected at most one filter of type ${type}, found text "${type}"`]);
  }
  const redirect = "{ type: RequestRedirect, requestRedirect: {} }";
  const rewrite = "{ type: URLRewrite, urlRewrite: {} }";
  t.regex(
    inFilter(`${redirect}, ${rewrite}`).join(),
    /filters\[1\]\.type: expected URLRewrite or RequestRedirect, not both/,
  );
  t.regex(
    inFilter(`${rewrite}, ${redirect}`).join(),
    /filters\[1\]\.type: expected RequestRedirect or URLRewrite, not both/,
  );
  t.regex(inRule(`{ backendRefs: [{ name: a, port: 80, filters: [${rewrite}, ${redirect}] }] }`).join(), /not both/);
  t.regex(inFilter("{ type: ExternalAuth }").join(), /filters\[0\]\.type: expected RequestHeaderModifier, /);
});

test("changes of paths", (t) => {
  const told = (path: string, rule = "") =>
    inRule(`{ ${rule} filters: [{ type: URLRewrite, urlRewrite: { path: { ${path} } } }] }`);
  t.deepEqual(told("type: ReplaceFullPath, replaceFullPath: ''"), []);
  t.regex(told("type: ReplaceFullPath").join(), /replaceFullPath: missing, expected the path for type ReplaceFullPath/);
  t.regex(
    told("type: ReplaceFullPath, replaceFullPath: /, replacePrefixMatch: /").join(),
    /replacePrefixMatch: expected no such key/,
  );
  t.regex(told("type: ReplacePrefixMatch").join(), /replacePrefixMatch: missing/);
  for (const wrong of ["/a b", "/a\\r\\nx: y", "/a#b", "/é", "/%4"]) {
    t.is(told(`type: ReplaceFullPath, replaceFullPath: "${wrong}"`).length, 1, wrong);
  }
  const prefix = "type: ReplacePrefixMatch, replacePrefixMatch: /x";
  const one = "exactly one match, of type PathPrefix, for ReplacePrefixMatch";
  t.deepEqual(told(prefix), []);
  t.deepEqual(told(prefix, "matches: [{ path: { value: /a } }],"), []);
  for (const matches of [
    "{ path: { type: Exact, value: /a } }",
    "{ path: { type: RegularExpression, value: /a } }",
    "{}, {}",
  ]) {
    t.regex(told(prefix, `matches: [${matches}],`).join(), new RegExp(one));
  }
  const ofBackend = inRule(
    `{ matches: [{}, {}], backendRefs: [{ name: a, port: 80, filters: [{ type: URLRewrite, urlRewrite: { path: { ${prefix} } } }] }] }`,
  );
  t.regex(ofBackend.join(), /^backendRefs\[0\]\.filters\[0\]\.urlRewrite\.path\.type: /);
});

test("changes of headers: one action per header, and none that could split a message", (t) => {
  const told = (modifier: string) =>
    inFilter(`{ type: RequestHeaderModifier, requestHeaderModifier: { ${modifier} } }`).join();
  t.is(told("set: [{ name: a, value: b }], add: [{ name: b, value: c }], remove: [c]"), "");
  t.regex(
    told("set: [{ name: a, value: b }], remove: [A]"),
    /remove\[0\]: expected one action per header, A is already in set/,
  );
  t.is(told("set: [{ name: a, value: b }, { name: A, value: c }]"), "", "the second is not looked at");
  t.regex(told('set: [{ name: a, value: "b\\r\\nx: y" }]'), /set\[0\]\.value: expected printable ASCII/);
  t.regex(told("set: [{ name: Host, value: b }]"), /set\[0\]\.name: expected another header than Host/);
  t.regex(told("remove: [content-length]"), /remove\[0\]: expected a header that does not say where a message ends/);
  t.regex(told(`remove: [${numbered("a#", 17)}]`), /at most 16 headers/);
});

test("redirects, mirrors and CORS", (t) => {
  const redirect = (text: string) => inFilter(`{ type: RequestRedirect, requestRedirect: { ${text} } }`).join();
  t.regex(redirect("scheme: ftp"), /scheme: expected http or https/);
  t.regex(redirect("statusCode: 304"), /statusCode: expected 301, 302, 303, 307 or 308/);
  for (const hostname of ["10.0.0.1", "'*.example.com'", "a.example:80", "A.example"]) {
    t.regex(redirect(`hostname: ${hostname}`), /hostname: expected a host name/, hostname);
  }
  const mirror = (text: string) =>
    inFilter(`{ type: RequestMirror, requestMirror: { backendRef: { name: a, port: 80 }, ${text} } }`).join();
  t.regex(mirror("percent: 101"), /percent: expected a percentage from 0 to 100/);
  t.regex(mirror("percent: 1, fraction: { numerator: 1 }"), /fraction: expected percent or fraction, not both/);
  t.regex(mirror("fraction: { numerator: 101 }"), /numerator: expected at most the denominator 100/);
  t.regex(mirror("fraction: { numerator: 1, denominator: 0 }"), /denominator: expected/);
  const cors = (text: string) => inFilter(`{ type: CORS, cors: { ${text} } }`).join();
  for (const origin of ["shop.example", "ftp://a", "https://a/", "https://a.*.b", "https://*a"]) {
    t.regex(cors(`allowOrigins: ['${origin}']`), /allowOrigins\[0\]: expected an origin/, origin);
  }
  for (const list of ["allowOrigins: ['*', 'https://a']", "allowMethods: [GET, '*']", "allowHeaders: ['*', a]"]) {
    t.regex(cors(list), /expected \* alone, or no \*/, list);
  }
  t.regex(cors("maxAge: 0"), /maxAge: expected a number of seconds, at least 1/);
});

test("timeouts, retries and sessions", (t) => {
  t.deepEqual(inRule("{ timeouts: { request: 1s, backendRequest: 2s } }"), [
    'timeouts.backendRequest: expected a duration not longer than request, found text "2s"',
  ]);
  t.deepEqual(inRule("{ timeouts: { request: 0s, backendRequest: 2s } }"), [], "0s is without end");
  t.is(inRule("{ timeouts: { request: 1.5s } }").length, 1);
  t.is(inRule("{ retry: { codes: [399] } }").length, 1);
  t.is(inRule("{ retry: { attempts: 0 } }").length, 1);
  const session = (text: string) => inRule(`{ sessionPersistence: { ${text} } }`).join();
  t.regex(session("type: Cookie"), /cookie: missing, expected the cookie for type Cookie/);
  t.regex(session("type: Header, cookie: {}"), /header: missing.*cookie: expected no such key for type Header/);
  t.regex(
    session("cookie: { lifetimeType: Permanent }"),
    /absoluteTimeout: missing, expected the lifetime of a Permanent cookie/,
  );
  t.regex(session('cookie: { path: "/a;b" }'), /path: expected a cookie path/);
});

test("gRPC: names of services and methods, and no filters that are HTTP's alone", (t) => {
  const told = (match: string) => spec(`{ rules: [{ matches: [${match}] }] }`, "GRPCRoute").join();
  t.is(told("{ method: { service: .shop.v1.Catalog, method: Get_1 } }"), "");
  t.regex(told("{ method: {} }"), /method\.service: missing, expected a service, a method, or both/);
  t.regex(told("{ method: { service: '', method: '' } }"), /a service, a method, or both/);
  for (const service of ["a/b", "1a", "a..b", "a.", "a-b"])
    t.regex(told(`{ method: { service: '${service}' } }`), /service: expected/, service);
  for (const method of ["a/b", "1a", "a.b"])
    t.regex(told(`{ method: { method: '${method}' } }`), /method: expected/, method);
  t.regex(told("{ method: { type: RegularExpression, service: '(' } }"), /service: expected a regular expression/);
  const filter = "{ type: URLRewrite, urlRewrite: {} }";
  t.is(spec(`{ rules: [{ filters: [${filter}] }] }`, "GRPCRoute").length, 2);
  t.deepEqual(spec("{}", "GRPCRoute"), []);
});

test("grants are of either version", (t) => {
  for (const version of ["v1", "v1beta1"]) {
    const { problems } = parseDocuments(
      `{ apiVersion: gateway.networking.k8s.io/${version}, kind: ReferenceGrant, metadata: { name: g }, spec: { from: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: a }], to: [{ group: "", kind: Service }] } }`,
      "f",
    );
    t.deepEqual(problems, []);
  }
  t.is(spec("{ from: [], to: [{ group: '', kind: Service }] }", "ReferenceGrant").length, 1);
});

test("whatever a route holds, reading it ends, and says where it is wrong", (t) => {
  const leaf = fc.oneof(
    fc.constantFrom("/", "*", "(a", "GET", "Exact", "", "\r\n", "a".repeat(5000)),
    fc.integer(),
    fc.constant(null),
  );
  const keys = [
    "rules",
    "matches",
    "path",
    "type",
    "value",
    "filters",
    "cors",
    "urlRewrite",
    "backendRefs",
    "headers",
    "name",
    "parentRefs",
  ];
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 8 },
      leaf,
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie("tree"), { maxKeys: 4 }),
    ),
  }));
  const property = fc.property(tree, fc.constantFrom("HTTPRoute", "GRPCRoute"), (value, kind) => {
    const text = JSON.stringify({
      apiVersion: "gateway.networking.k8s.io/v1",
      kind,
      metadata: { name: "r" },
      spec: value,
    });
    const { documents, problems } = parseDocuments(text, "f");
    t.is(documents.length + Math.min(problems.length, 1), 1);
    for (const { line, column } of problems) t.true(line === 1 && column > 0 && column <= text.length);
  });
  fc.assert(property, { numRuns: 1_000 });
});
