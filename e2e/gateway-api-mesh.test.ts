/**
 * What the Gateway API's conformance suite asks of a mesh, told anew, with what it does not compare: where a redirect leads,
 * which path the server sees. Its world: two servers on two nodes, Services of each and of both, and a client in another
 * namespace. Requests come from the first server's own pod, which is a backend at the same time.
 */
import { mesh, pod, STORY_NAMESPACE } from "./support/cluster-documents.ts";
import { addressesOf } from "./support/addresses-of.ts";
import {
  answers,
  apply,
  ask,
  backend,
  CHANGE,
  echo,
  echoService,
  inForce,
  inNamespace,
  prefix,
  type Row,
  route,
  rows,
  run,
  to,
  V1,
  V2,
} from "./support/echo-world.ts";
import { eventually } from "./support/eventually.ts";
import { labStories } from "./support/lab-stories.ts";

const CONSUMER_NAMESPACE = "consumer";
const CONSUMER = `${CONSUMER_NAMESPACE}/client`;

const story = await labStories([
  mesh({ encryption: "strict" }),
  { apiVersion: "v1", kind: "Namespace", metadata: { name: CONSUMER_NAMESPACE } },
  echo(V1, 1),
  echo(V2, 2),
  inNamespace(CONSUMER_NAMESPACE, pod({ name: "client", node: 2, command: ["sleep", "infinity"] })),
  echoService(V1, 131, { app: V1 }),
  echoService(V2, 132, { app: V2 }),
  echoService("echo", 133, { group: "echo" }),
]);

story("without any route, a pod reaches the Service that it is behind itself", async (t, lab) => {
  await rows(t, lab, [[{}, { status: 200 }]]);
});

story("one backend answers everything, also to its own calls", async (t, lab) => {
  await inForce(lab, "simple", [route("echo", [{ backendRefs: [to(V1, 8080)] }])]);
  await rows(
    t,
    lab,
    Array.from({ length: 5 }, (): Row => [{}, { pod: V1 }]),
  );
});

story("exact paths lead to different backends, without a port in the reference to the Service", async (t, lab) => {
  const exact = (value: string, name: string) => ({ matches: [{ path: { type: "Exact", value } }], ...backend(name) });
  await inForce(lab, "split", [route("echo", [exact("/v1", V1), exact("/v2", V2)])]);
  await rows(t, lab, [
    [{ path: "/v1" }, { pod: V1 }],
    [{ path: "/v2" }, { pod: V2 }],
    [{ path: "/v2/" }, { status: 404 }],
  ]);
});

story("prefixes match whole segments, and headers go before shorter matches", async (t, lab) => {
  await inForce(lab, "matching", [
    route("echo", [
      { matches: [prefix("/"), { headers: [{ name: "version", value: "one" }] }], ...backend(V1) },
      { matches: [prefix("/v2"), { headers: [{ name: "version", value: "two" }] }], ...backend(V2) },
    ]),
  ]);
  await rows(t, lab, [
    [{}, { pod: V1 }],
    [{ path: "/example" }, { pod: V1 }],
    [{ headers: { Version: "one" } }, { pod: V1 }],
    [{ headers: { VERSION: "two" } }, { pod: V2 }],
    [{ path: "/v2" }, { pod: V2 }],
    [{ path: "/v2/" }, { pod: V2 }],
    [{ path: "/v2/example" }, { pod: V2 }],
    [{ path: "/v2example" }, { pod: V1 }],
    [{ path: "/foo/v2/example" }, { pod: V1 }],
  ]);
});

story("query parameters match exactly, with others and in any of several matches", async (t, lab) => {
  const query = (value: string) => ({ queryParams: [{ name: "animal", value }] });
  await inForce(lab, "query", [
    route(
      "echo",
      [
        { matches: [query("whale")], ...backend(V1) },
        { matches: [query("dolphin")], ...backend(V2) },
        { matches: [{ ...query("whale"), headers: [{ name: "version", value: "one" }] }], ...backend(V2) },
        {
          matches: [
            { ...prefix("/3"), ...query("shark") },
            { ...prefix("/4"), ...query("kraken") },
          ],
          ...backend(V1),
        },
        { matches: [prefix("/5")], ...backend(V1) },
        { matches: [query("hydra")], ...backend(V2) },
      ],
      { port: 80 },
    ),
  ]);
  await rows(t, lab, [
    [{ path: "/?animal=whale" }, { pod: V1, url: "/?animal=whale" }],
    [{ path: "/?animal=dolphin&color=grey" }, { pod: V2, url: "/?animal=dolphin&color=grey" }],
    [{ path: "/?animal=whaledolphin" }, { status: 404 }],
    [{ path: "/" }, { status: 404 }],
    [{ path: "/?animal=whale", headers: { version: "one" } }, { pod: V2 }],
    [{ path: "/3?animal=shark" }, { pod: V1 }],
    [{ path: "/4?animal=kraken" }, { pod: V1 }],
    [{ path: "/?animal=kraken" }, { status: 404 }],
    [{ path: "/5?animal=hydra" }, { pod: V1 }],
    [{ path: "/6?animal=hydra" }, { pod: V2 }],
  ]);
});

story("redirects say where to: host, path, port, scheme and status", async (t, lab) => {
  const redirect = (path: string, requestRedirect: object) => ({
    matches: [prefix(path)],
    filters: [{ type: "RequestRedirect", requestRedirect }],
  });
  const replacePrefix = { path: { type: "ReplacePrefixMatch", replacePrefixMatch: "/new" } };
  const replaceAll = { path: { type: "ReplaceFullPath", replaceFullPath: "/all-new" } };
  await inForce(lab, "redirects", [
    route("echo", [
      redirect("/host", { hostname: "example.org" }),
      redirect("/host-301", { hostname: "example.org", statusCode: 301 }),
      redirect("/prefix", replacePrefix),
      redirect("/full", replaceAll),
      redirect("/path-host", { ...replacePrefix, hostname: "example.org" }),
      redirect("/full-301", { ...replaceAll, statusCode: 301 }),
      redirect("/port", { port: 8083 }),
      redirect("/port-host", { port: 8083, hostname: "example.org" }),
      redirect("/scheme", { scheme: "https" }),
      redirect("/scheme-host", { scheme: "https", hostname: "example.org", statusCode: 301 }),
    ]),
    // The suite has each of these in a route of its own.
    route(
      "echo",
      [303, 307, 308].map((statusCode) => redirect(`/${statusCode}`, { statusCode, hostname: "example.org" })),
      {
        name: "statuses",
      },
    ),
  ]);
  const leads = (path: string, location: string, status = 302): Row => [{ path }, { status, location }];
  await rows(t, lab, [
    leads("/host", "http://example.org/host"),
    leads("/host-301?a=b", "http://example.org/host-301?a=b", 301),
    leads("/prefix/lemon", "http://echo/new/lemon"),
    leads("/full/path/original", "http://echo/all-new"),
    leads("/path-host", "http://example.org/new"),
    leads("/full-301", "http://echo/all-new", 301),
    leads("/port", "http://echo:8083/port"),
    leads("/port-host", "http://example.org:8083/port-host"),
    leads("/scheme", "https://echo/scheme"),
    leads("/scheme-host", "https://example.org/scheme-host", 301),
    leads("/303", "http://example.org/303", 303),
    leads("/307", "http://example.org/307", 307),
    leads("/308", "http://example.org/308", 308),
  ]);
});

story("paths are rewritten, alone and beside changed headers", async (t, lab) => {
  const rewrite = (path: string, change: object, more: readonly object[] = []) => ({
    matches: [prefix(path)],
    filters: [{ type: "URLRewrite", urlRewrite: { path: change } }, ...more],
    ...backend(V1),
  });
  const toPrefix = (value: string) => ({ type: "ReplacePrefixMatch", replacePrefixMatch: value });
  const headers = {
    type: "RequestHeaderModifier",
    requestHeaderModifier: { set: [{ name: "X-Set", value: "by-route" }], remove: ["X-Remove"] },
  };
  await inForce(lab, "rewrites", [
    route("echo", [
      rewrite("/prefix/one", toPrefix("/one")),
      rewrite("/strip-prefix", toPrefix("/")),
      rewrite("/full/one", { type: "ReplaceFullPath", replaceFullPath: "/one" }),
      rewrite("/with-headers", toPrefix("/plain"), [headers]),
    ]),
  ]);
  await rows(t, lab, [
    [{ path: "/prefix/one/two" }, { pod: V1, url: "/one/two" }],
    [{ path: "/strip-prefix/three" }, { pod: V1, url: "/three" }],
    [{ path: "/strip-prefix" }, { pod: V1, url: "/" }],
    [{ path: "/full/one/two?x=1" }, { pod: V1, url: "/one?x=1" }],
    [
      { path: "/with-headers/a", headers: { "x-set": "by-client", "x-remove": "gone" } },
      { pod: V1, url: "/plain/a", headers: { "x-set": "by-route", "x-remove": undefined } },
    ],
  ]);
});

for (const place of ["rule", "backend"] as const) {
  story(`request headers are set, added and removed, by a filter of the ${place}`, async (t, lab) => {
    const change = (path: string, requestHeaderModifier: object) => {
      const filters = [{ type: "RequestHeaderModifier", requestHeaderModifier }];
      const matches = [prefix(path)];
      return place === "rule"
        ? { matches, filters, ...backend(V1) }
        : { matches, backendRefs: [{ ...to(V1, 8080), filters }] };
    };
    await inForce(lab, `headers-of-${place}`, [
      route("echo", [
        change("/set", { set: [{ name: "X-Set", value: "route" }] }),
        change("/add", { add: [{ name: "X-Add", value: "route" }] }),
        change("/remove", { remove: ["X-Remove"] }),
        change("/several", {
          set: [{ name: "x-SET", value: "route" }],
          add: [{ name: "x-ADD", value: "route" }],
          remove: ["X-remove", "x-also"],
        }),
      ]),
    ]);
    const sent = { "X-Set": "client", "X-Add": "client", "X-Remove": "client", "X-Also": "client" };
    await rows(t, lab, [
      [{ path: "/set" }, { pod: V1, headers: { "x-set": "route" } }],
      [{ path: "/set", headers: sent }, { headers: { "x-set": "route", "x-add": "client" } }],
      [{ path: "/add" }, { headers: { "x-add": "route" } }],
      [{ path: "/add", headers: sent }, { headers: { "x-add": "client,route" } }],
      [{ path: "/remove", headers: sent }, { headers: { "x-remove": undefined, "x-also": "client" } }],
      [
        { path: "/several", headers: sent },
        { headers: { "x-set": "route", "x-add": "client,route", "x-remove": undefined, "x-also": undefined } },
      ],
    ]);
  });
}

story("requests are shared 70 to 30, and a backend without weight need not exist", async (t, lab) => {
  const backendRefs = [
    { ...to(V1, 8080), weight: 70 },
    { ...to(V2, 8080), weight: 30 },
    { ...to("echo-v3", 8080), weight: 0 },
  ];
  await inForce(lab, "weights", [route("echo", [{ backendRefs }])]);
  const outcomes = await run(lab, V1, { url: "http://echo/", requests: 500, loops: 2 });
  const first = outcomes.filter(({ seen }) => seen?.pod === V1).length;
  t.true(outcomes.every(({ status }) => status === 200));
  t.true(Math.abs(first / 500 - 0.7) < 0.07, `${first} of 500 at the first`);
});

story("rules may have names", async (t, lab) => {
  await inForce(lab, "named", [
    route("echo", [
      { name: "first", matches: [prefix("/named")], ...backend(V1) },
      { matches: [prefix("/unnamed")], ...backend(V2) },
    ]),
  ]);
  await rows(t, lab, [
    [{ path: "/named" }, { pod: V1, url: "/named" }],
    [{ path: "/unnamed" }, { pod: V2, url: "/unnamed" }],
  ]);
});

story(
  "a route is for calls of its Service's address, whatever their Host says, and not for calls of pods",
  async (t, lab) => {
    await inForce(lab, "frontend", [route(V2, [{ filters: [answers("v2")], ...backend(V2) }])], V2);
    const [address] = await addressesOf(lab, V2);
    await rows(t, lab, [
      [{ to: V2 }, { pod: V2, route: "v2" }],
      [{ to: `${V2}:8080` }, { pod: V2, route: "v2" }],
      [{ to: `${address}:8080` }, { pod: V2, route: undefined }],
      [
        { to: V2, headers: { host: V1 } },
        { pod: V2, route: "v2" },
      ],
      [
        { to: V1, headers: { host: V2 } },
        { pod: V1, route: undefined },
      ],
    ]);
  },
);

story("a route of one port is for that port only", async (t, lab) => {
  await inForce(
    lab,
    "ports",
    [
      route(V1, [{ filters: [answers("port-80")], ...backend(V1) }], { port: 80 }),
      route(V2, [{ filters: [answers("all-ports")], ...backend(V2) }]),
    ],
    V1,
  );
  await rows(t, lab, [
    [{ to: V1 }, { pod: V1, route: "port-80" }],
    [{ to: `${V1}:8080` }, { pod: V1, route: undefined }],
    [{ to: V2 }, { pod: V2, route: "all-ports" }],
    [{ to: `${V2}:8080` }, { pod: V2, route: "all-ports" }],
  ]);
});

story("a consumer's route is for callers of its namespace only", async (t, lab) => {
  const parent = { name: V2, namespace: STORY_NAMESPACE };
  const rules = [{ filters: [answers("consumer")], backendRefs: [{ ...to(V2, 8080), namespace: STORY_NAMESPACE }] }];
  await apply(lab, [route(V2, rules, { parent, namespace: CONSUMER_NAMESPACE })]);
  const host = `${V2}.${STORY_NAMESPACE}`;
  await eventually("the consumer's route", CHANGE, async () => {
    const { headers } = await ask(lab, { to: host, from: CONSUMER });
    return headers["x-route"] === "consumer";
  });
  await rows(t, lab, [
    [
      { to: host, from: CONSUMER },
      { pod: V2, route: "consumer" },
    ],
    [
      { to: host, from: V1 },
      { pod: V2, route: undefined },
    ],
  ]);
});
