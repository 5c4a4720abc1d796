/**
 * What the Gateway API's documentation and conformance suite say about matching and precedence, in own words: one table
 * of requests per set of rules.
 */
import test from "ava";
import { RequestWorld, type RequestOptions, route, service } from "./request-world.ts";

type Asked = readonly [request: string, expected: string, headers?: RequestOptions["headers"]];

const BACKENDS = ["catalog", "v1", "v2", "v3"].map((name) => service(name, 80)).join("");

/** A rule per backend: its matches as flow YAML. */
function rules(...pairs: readonly (readonly [matches: string, backend: string])[]): string {
  return `  rules:\n${pairs
    .map(([matches, backend]) => `    - matches: [${matches}]\n      backendRefs: [{ name: ${backend}, port: 80 }]\n`)
    .join("")}`;
}

/** Requests are `GET /path` or just `/path`. */
function check(title: string, documents: string, asked: readonly Asked[]): void {
  test(title, (t) => {
    const world = new RequestWorld(BACKENDS + documents);
    t.deepEqual(world.told, []);
    for (const [request, expected, headers = {}] of asked) {
      const [target = "", method = "GET"] = request.split(" ").reverse();
      t.is(
        world.ask(`http://catalog${target}`, { method, headers }),
        expected,
        `${request} ${JSON.stringify(headers)}`,
      );
    }
  });
}

check(
  "paths and headers: the longer prefix wins, a header wins over none, prefixes are whole segments",
  route(
    rules(
      ["{ path: { value: / } }, { headers: [{ name: version, value: one }] }", "v1"],
      ["{ path: { value: /v2 } }, { headers: [{ name: Version, value: two }] }", "v2"],
    ),
  ),
  [
    ["/", "v1"],
    ["/example", "v1"],
    ["/", "v1", { Version: "one" }],
    ["/v2", "v2"],
    ["/v2/example", "v2"],
    ["/", "v2", { VERSION: "two" }],
    ["/v2/", "v2"],
    ["/v2example", "v1"],
    ["/foo/v2/example", "v1"],
  ],
);

check(
  "the rules of several routes of one Service are one list",
  route(rules(["{ path: { value: / } }, { headers: [{ name: version, value: one }] }", "v1"]), "part-1") +
    route(rules(["{ path: { value: /v2 } }, { headers: [{ name: version, value: two }] }", "v2"]), "part-2"),
  [
    ["/", "v1"],
    ["/example", "v1", { version: "one" }],
    ["/v2", "v2"],
    ["/v2/example", "v2"],
    ["/", "v2", { version: "two" }],
    ["/v2", "v2", { version: "one" }],
  ],
);

check(
  "exact paths before prefixes, longer prefixes before shorter ones, whatever their order",
  route(
    rules(
      ["{ path: { type: Exact, value: /match } }", "v1"],
      ["{ path: { type: Exact, value: /match/exact } }", "v2"],
      ["{ path: { type: Exact, value: /match/exact/one } }", "v3"],
      ["{ path: { value: /match/ } }", "v3"],
      ["{ path: { value: /match/prefix/ } }", "v1"],
      ["{ path: { value: /match/prefix/one } }", "v2"],
    ),
  ),
  [
    ["/match/exact/one", "v3"],
    ["/match/exact", "v2"],
    ["/match", "v1"],
    ["/match/", "v3"],
    ["/match/prefix/one/any", "v2"],
    ["/match/prefix/any", "v1"],
    ["/match/prefix", "v1"],
    ["/match/any", "v3"],
    ["/matches", "404"],
  ],
);

check(
  "an exact path is the whole path, in its case",
  route(rules(["{ path: { type: Exact, value: /one } }", "v1"], ["{ path: { type: Exact, value: /two } }", "v2"])),
  [
    ["/one", "v1"],
    ["/two", "v2"],
    ["/one?x=1", "v1"],
    ["/", "404"],
    ["/one/example", "404"],
    ["/two/", "404"],
    ["/Two", "404"],
  ],
);

check(
  "headers: all of a match, the most headers win, then the first rule",
  route(
    rules(
      ["{ headers: [{ name: version, value: one }] }", "v1"],
      ["{ headers: [{ name: version, value: two }] }", "v2"],
      ["{ headers: [{ name: version, value: two }, { name: color, value: orange }] }", "v1"],
      ["{ headers: [{ name: color, value: blue }] }, { headers: [{ name: color, value: green }] }", "v1"],
      ["{ headers: [{ name: color, value: red }] }, { headers: [{ name: color, value: yellow }] }", "v2"],
    ),
  ),
  [
    ["/", "v1", { Version: "one" }],
    ["/", "v2", { Version: "two" }],
    ["/", "v1", { Version: "two", Color: "orange" }],
    ["/", "v2", { Version: "two", Color: "blue" }],
    ["/", "404", { Color: "orange" }],
    ["/", "404", { "Some-Other-Header": "one" }],
    ["/", "v1", { Color: "blue" }],
    ["/", "v1", { Color: "green" }],
    ["/", "v2", { Color: "red" }],
    ["/", "v2", { Color: "yellow" }],
    ["/", "404", { Color: "purple" }],
    ["/", "404", { Color: "Red" }],
  ],
);

check(
  "methods: after the path, before headers",
  route(
    rules(
      ["{ method: POST }", "v1"],
      ["{ method: GET }", "v2"],
      ["{ path: { value: /path1 }, method: GET }", "v1"],
      ["{ headers: [{ name: version, value: one }], method: PUT }", "v2"],
      ["{ path: { value: /path2 }, headers: [{ name: version, value: two }], method: POST }", "v3"],
      [
        "{ path: { value: /path3 }, method: PATCH }, { path: { value: /path4 }, headers: [{ name: version, value: three }], method: DELETE }",
        "v1",
      ],
      ["{ path: { value: /path5 } }", "v1"],
      ["{ method: PATCH }", "v2"],
      ["{ headers: [{ name: version, value: four }] }", "v3"],
    ),
  ),
  [
    ["POST /", "v1"],
    ["GET /", "v2"],
    ["HEAD /", "404"],
    ["get /", "404"],
    ["GET /path1", "v1"],
    ["PUT /", "v2", { version: "one" }],
    ["POST /path2", "v3", { version: "two" }],
    ["PATCH /path3", "v1"],
    ["DELETE /path4", "v1", { version: "three" }],
    ["PUT /", "404"],
    ["DELETE /path4", "404"],
    ["PATCH /path5", "v1"],
    ["PATCH /", "v2", { version: "four" }],
  ],
);

check(
  "query parameters: exact, case-sensitive, after everything else",
  route(
    rules(
      ["{ queryParams: [{ name: animal, value: whale }] }", "v1"],
      ["{ queryParams: [{ name: animal, value: dolphin }] }", "v2"],
      [
        "{ queryParams: [{ name: animal, value: dolphin }, { name: color, value: blue }] }, { queryParams: [{ name: ANIMAL, value: Whale }] }",
        "v3",
      ],
      ["{ path: { value: /path1 }, queryParams: [{ name: animal, value: whale }] }", "v1"],
      ["{ headers: [{ name: version, value: one }], queryParams: [{ name: animal, value: whale }] }", "v2"],
      [
        "{ path: { value: /path2 }, headers: [{ name: version, value: two }], queryParams: [{ name: animal, value: whale }] }",
        "v3",
      ],
      [
        "{ path: { value: /path3 }, queryParams: [{ name: animal, value: shark }] }, { path: { value: /path4 }, headers: [{ name: version, value: three }], queryParams: [{ name: animal, value: kraken }] }",
        "v1",
      ],
      ["{ path: { value: /path5 } }", "v1"],
      ["{ queryParams: [{ name: animal, value: hydra }] }", "v2"],
      ["{ headers: [{ name: version, value: four }] }", "v3"],
    ),
  ),
  [
    ["/?animal=whale", "v1"],
    ["/?animal=dolphin", "v2"],
    ["/?animal=dolphin&color=blue", "v3"],
    ["/?color=blue&animal=dolphin", "v3"],
    ["/?ANIMAL=Whale", "v3"],
    ["/?animal=whale&otherparam=irrelevant", "v1"],
    ["/?animal=dolphin&color=yellow", "v2"],
    ["/?color=blue", "404"],
    ["/?animal=dog", "404"],
    ["/?animal=whaledolphin", "404"],
    ["/", "404"],
    ["/path1?animal=whale", "v1"],
    ["/?animal=whale", "v2", { version: "one" }],
    ["/path2?animal=whale", "v3", { version: "two" }],
    ["/path3?animal=shark", "v1"],
    ["/path4?animal=kraken", "v1", { version: "three" }],
    ["/?animal=shark", "404"],
    ["/path4?animal=kraken", "404"],
    ["/path5?animal=hydra", "v1"],
    ["/?animal=hydra", "v3", { version: "four" }],
  ],
);

check(
  "the same path, a match more: env canary goes to the canary",
  route(`
  rules:
    - matches: [{ headers: [{ type: Exact, name: env, value: canary }] }]
      backendRefs: [{ name: v2, port: 80 }]
    - backendRefs: [{ name: v1, port: 80 }]`),
  [
    ["/any", "v2", { env: "canary" }],
    ["/any", "v1"],
    ["/any", "v1", { env: "production" }],
  ],
);

check("a route without rules matches everything, and has no backend", route("  hostnames: [shop.example]"), [
  ["/any", "500"],
]);

check("an empty list of matches is every request", route(rules(["", "v1"])), [["/any", "v1"]]);

check(
  "of equal matches the older route wins, then the one with the first name, then the first rule",
  [
    route(rules(["{ path: { value: /a } }", "v3"], ["{ path: { value: /a } }", "v2"]), "c") +
      route(rules(["{ path: { value: /a } }", "v2"]), "b"),
    route(rules(["{ path: { value: /time } }", "v1"]), "d", "HTTPRoute", ', creationTimestamp: "2026-02-01T00:00:00Z"'),
    route(rules(["{ path: { value: /time } }", "v2"]), "a", "HTTPRoute", ', creationTimestamp: "2026-02-01T00:00:01Z"'),
    route(rules(["{ path: { value: /rule } }", "v1"], ["{ path: { value: /rule } }", "v2"]), "e"),
  ].join(""),
  [
    ["/a", "v2"],
    ["/time", "v1"],
    ["/rule", "v1"],
  ],
);

check(
  "regular expressions come after exact paths and before prefixes, the longer one first, and take the whole text",
  route(
    rules(
      ["{ path: { value: /items } }", "v1"],
      ["{ path: { type: RegularExpression, value: '/items/[0-9]+' } }", "v2"],
      ["{ path: { type: RegularExpression, value: '/items/(1|2|3)[0-9]*' } }", "v3"],
      ["{ path: { type: Exact, value: /items/100 } }", "v1"],
      ["{ path: { value: /h }, headers: [{ type: RegularExpression, name: version, value: 'v[12]' }] }", "v2"],
      ["{ path: { value: /q }, queryParams: [{ type: RegularExpression, name: id, value: '[0-9]+' }] }", "v3"],
    ),
  ),
  [
    ["/items/x", "v1"],
    ["/items/42", "v2"],
    ["/items/42/", "v1"],
    ["/items/12", "v3"],
    ["/items/100", "v1"],
    ["/h", "v2", { version: "v1" }],
    ["/h", "404", { version: "v12" }],
    ["/q?id=42", "v3"],
    ["/q?id=42a", "404"],
  ],
);

check(
  "of names that are the same, the first counts",
  route(rules(["{ headers: [{ name: Color, value: red }, { name: color, value: blue }] }", "v1"])),
  [
    ["/", "v1", { color: "red" }],
    ["/", "404", { color: "blue" }],
  ],
);

check(
  "repeated headers are one value with commas, a repeated parameter counts by its first value",
  route(
    rules(
      ["{ headers: [{ name: x-tag, value: 'a,b' }] }", "v1"],
      ["{ headers: [{ name: cookie, value: 'a=1; b=2' }] }", "v3"],
      ["{ queryParams: [{ name: id, value: '1' }] }", "v2"],
    ),
  ),
  [
    ["/", "v1", { "x-tag": ["a", "b"] }],
    ["/", "404", { "x-tag": ["b", "a"] }],
    ["/", "v3", { cookie: ["a=1", "b=2"] }],
    ["/?id=1&id=2", "v2"],
    ["/?id=2&id=1", "404"],
  ],
);

test("hosts are matched by the header Host, hostnames have no effect", (t) => {
  const world = new RequestWorld(
    BACKENDS +
      route(
        `  hostnames: [other.example]\n${rules(["{ headers: [{ name: Host, value: shop.example }] }", "v2"], ["{}", "v1"])}`,
      ),
  );
  t.is(world.ask("http://catalog/"), "v1");
  t.is(world.ask("http://catalog/", { authority: "shop.example" }), "v2");
  const [accepted] = world.statuses[0]?.parents[0]?.conditions ?? [];
  t.is(
    accepted?.message,
    "HTTPRoute holds for callers of every namespace; hostnames have no effect on a Service, match the header Host instead",
  );
});

const GRPC = { "content-type": "application/grpc" };

function checkCalls(title: string, text: string, asked: readonly Asked[]): void {
  check(
    title,
    route(text, "calls", "GRPCRoute"),
    asked.map(([call, to, headers]) => [`POST ${call}`, to, { ...GRPC, ...headers }]),
  );
}

checkCalls(
  "calls by service and method: both before a service, before a method, before anything",
  rules(
    ["{ method: { service: shop.Echo, method: Echo } }", "v1"],
    ["{ method: { service: shop.Echo } }", "v2"],
    ["{ method: { method: Echo } }", "v3"],
  ),
  [
    ["/shop.Echo/Echo", "v1"],
    ["/shop.Echo/EchoTwo", "v2"],
    ["/shop.EchoTwo/Echo", "v3"],
    ["/shop.EchoTwo/Other", "404"],
    ["/shop.echo/Echo", "v3"],
  ],
);

checkCalls(
  "calls by header: the most headers win, then the first rule; a rule without matches has every call",
  `${rules(
    ["{ headers: [{ name: version, value: one }] }", "v1"],
    ["{ headers: [{ name: version, value: two }] }", "v2"],
    ["{ headers: [{ name: version, value: two }, { name: color, value: orange }] }", "v1"],
    ["{ method: { service: a.B }, headers: [{ name: color, value: blue }] }", "v3"],
  )}    - backendRefs: [{ name: v3, port: 80 }]`,
  [
    ["/a.B/C", "v1", { version: "one" }],
    ["/a.B/C", "v2", { version: "two" }],
    ["/a.B/C", "v1", { version: "two", color: "orange" }],
    ["/a.B/C", "v3", { version: "two", color: "blue" }],
    ["/a.B/C", "v3"],
  ],
);

checkCalls(
  "calls by regular expressions, after names",
  rules(
    ["{ method: { type: RegularExpression, service: 'shop[.].*' } }", "v1"],
    ["{ method: { type: RegularExpression, method: 'Get.*' } }", "v2"],
    ["{ method: { service: shop.Catalog } }", "v3"],
  ),
  [
    ["/shop.Catalog/GetItem", "v3"],
    ["/shop.Cart/GetItem", "v1"],
    ["/bank.Account/GetItem", "v2"],
    ["/bank.Account/Put", "404"],
  ],
);

test("a GRPCRoute keeps the HTTPRoutes off its port, which say so", (t) => {
  const world = new RequestWorld(
    BACKENDS +
      route("  rules: [{ backendRefs: [{ name: v1, port: 80 }] }]", "pages") +
      route("  rules: [{ backendRefs: [{ name: v2, port: 80 }] }]", "calls", "GRPCRoute"),
  );
  t.is(world.ask("http://catalog/a.B/C", { method: "POST", headers: GRPC }), "v2");
  t.is(world.ask("http://catalog/page"), "404");
  const accepted = world.statuses.map(({ kind, parents }) => [kind, parents[0]?.conditions[0]?.reason]);
  t.deepEqual(accepted, [
    ["GRPCRoute", "Accepted"],
    ["HTTPRoute", "Conflicted"],
  ]);
});
