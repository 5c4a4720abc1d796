/** Documents, compiled, in force: from the text of an HTTPRoute to what two origins see of requests, and its changes. */
import { once } from "node:events";
import { Agent, get, type IncomingMessage, type RequestListener } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import test, { type ExecutionContext } from "ava";
import { createHttpPlane } from "../../../../agent/http/http-plane.ts";
import { tableRouters } from "../../../../agent/http/table-router.ts";
import { OutboundListener } from "../../../../agent/outbound/outbound-listener.ts";
import { parseDocuments } from "../../../../protocol/documents/parse-documents.ts";
import { compileTable, type TableContents } from "../../../../routing/compile.ts";
import { diffTables } from "../../../../routing/diff.ts";
import { TableState } from "../../../../routing/table-state.ts";
import { echo, httpOrigin } from "../../../support/http-origin.ts";
import { HttpWorld } from "../../../support/http-world.ts";

/** On loopback the client is "pod" 127.0.0.1, and so is the ClusterIP that it dials. */
async function open(t: ExecutionContext, routes: (port: number) => string) {
  const slowly: RequestListener = (request, response) =>
    void setTimeout(() => echo(request, response), request.url?.includes("slow") ? SLOW_MS : 0);
  const origins = [await httpOrigin(t, slowly), await httpOrigin(t, slowly)];
  const world = await HttpWorld.create(t);
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = new Set<Socket>();
  t.teardown(() => {
    server.close();
    for (const socket of accepted) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  const compile = (more: string): TableContents => {
    const text = cluster(
      port,
      origins.map((origin) => origin.port),
    );
    const { documents, problems } = parseDocuments(text + more, "test.yaml");
    const result = compileTable({ documents, agentNodes: new Set(["node-1"]) });
    t.deepEqual([...problems, ...result.problems], []);
    return onLoopback(result.contents);
  };
  let contents = compile(routes(port));
  const table = new TableState({ ...contents, epoch: "e", sequence: 1 });
  const change = (more: string): void => {
    const next = compile(more);
    const delta = diffTables(contents, next);
    contents = next;
    if (delta !== undefined) table.apply({ ...delta, epoch: "e", sequence: table.sequence + 1 });
  };
  const plane = {
    ...world.plane,
    table: () => table,
    dial: (options: Parameters<typeof world.plane.dial>[0]) => world.plane.dial({ ...options, address: "127.0.0.1" }),
  };
  const http = createHttpPlane(plane, { workers: 1, quotas: { admit: () => undefined } });
  t.teardown(() => http.upstreams.drain());
  const listener = new OutboundListener(plane, {
    plane: http,
    routerFor: tableRouters("node-1", () => table, http.sessions),
  });
  server.on("connection", (socket) => {
    accepted.add(socket);
    listener.accept(socket);
  });
  const ask = async (path: string): Promise<number | string | undefined> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    const { host = "" } = response.ok ? ((await response.json()) as Seen).headers : {};
    return response.ok ? host : response.status;
  };
  /** Over one connection, with the very same bytes each time: what each backend's Host was, or the status. */
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const repeat = async (times: number, path: string, headers: Readonly<Record<string, string>> = {}) => {
    const seen: Seen["headers"][] = [];
    for (let time = 0; time < times; time += 1) {
      const request = get({ host: "127.0.0.1", port, path, headers, agent });
      const [response] = (await once(request, "response")) as [IncomingMessage];
      const body = await text(response);
      seen.push(response.statusCode === 200 ? (JSON.parse(body) as Seen).headers : { host: `${response.statusCode}` });
    }
    return seen;
  };
  return { ask, change, port, repeat };
}

const hosts = (seen: readonly Seen["headers"][]): string[] => seen.map(({ host = "" }) => host);

/** Longer than the policy of a test allows. */
const SLOW_MS = 200;

interface Seen {
  readonly headers: Readonly<Record<string, string>>;
}

/** No document may have such an address. */
function onLoopback(contents: TableContents): TableContents {
  const text = JSON.stringify(contents).replaceAll(/"10\.(244\.1|96\.0)\.99"/g, '"127.0.0.1"');
  return JSON.parse(text) as TableContents;
}

function cluster(port: number, origins: readonly number[]): string {
  const pods = origins.map(
    (origin, index) => `
apiVersion: v1
kind: Pod
metadata: { name: v${index + 1}, namespace: shop, labels: { app: v${index + 1} } }
spec: { nodeName: node-1, containers: [{ name: main, ports: [{ containerPort: ${origin} }] }] }
status: { podIP: 10.244.1.${index + 3} }
---
apiVersion: v1
kind: Service
metadata: { name: v${index + 1}, namespace: shop }
spec: { clusterIP: 10.96.0.${index + 3}, selector: { app: v${index + 1} }, ports: [{ port: 80, targetPort: ${origin} }] }
---`,
  );
  return `
apiVersion: v1
kind: Node
metadata: { name: node-1 }
spec: { podCIDR: 10.244.1.0/24 }
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: shop }
spec: { nodeName: node-1, containers: [{ name: main }] }
status: { podIP: 10.244.1.99 }
---
apiVersion: v1
kind: Service
metadata: { name: catalog, namespace: shop }
spec: { clusterIP: 10.96.0.99, selector: { app: v1 }, ports: [{ port: ${port}, targetPort: ${origins[0]} }] }
---${pods.join("")}
`;
}

/** Each backend says by the Host that it is given which one it is. */
function to(backend: string): string {
  const host = `filters: [{ type: URLRewrite, urlRewrite: { hostname: ${backend}.example } }]`;
  return `{ matches: [{ path: { type: PathPrefix, value: /items } }], ${host}, backendRefs: [{ name: ${backend}, port: 80 }] }`;
}

function route(rule: string): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: catalog, namespace: shop }
spec: { parentRefs: [{ group: "", kind: Service, name: catalog }], rules: [${rule}] }
---
`;
}

test("a route's changes are in force for the next request, and without it bytes pass as they are", async (t) => {
  const { ask, change, port } = await open(t, () => route(to("v1")));
  t.is(await ask("/items/1"), "v1.example");
  t.is(await ask("/other"), 404);
  change(route(to("v2")));
  t.is(await ask("/items/1"), "v2.example");
  change("");
  t.is(await ask("/other"), `127.0.0.1:${port}`);
});

test("timeouts of the Service's policy hold for requests of its routes", async (t) => {
  const policy = `
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: catalog, namespace: shop }
spec: { targetRef: { kind: Service, name: catalog }, timeouts: { request: 50ms } }
---
`;
  const { ask, change } = await open(t, () => route(to("v1")) + policy);
  t.is(await ask("/items/slow"), 504);
  change(route(to("v1")));
  t.is(await ask("/items/slow"), "v1.example");
});

/** More than it takes to know a head again. */
const TIMES = 5;

function setting(name: string, value: string): string {
  return `{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: ${name}, value: ${value} }] } }`;
}

test("a request that comes again and again is decided by the table of now, and has an id of its own", async (t) => {
  const tagged = (value: string): string =>
    route(to("v1").replace("filters: [", `filters: [${setting("x-rule", value)}, `));
  const { change, repeat } = await open(t, () => tagged("one"));
  const first = await repeat(TIMES, "/items/1", { "x-user": "ann" });
  t.deepEqual(
    hosts(first),
    Array.from({ length: TIMES }, () => "v1.example"),
  );
  t.deepEqual(
    first.map((seen) => seen["x-rule"]),
    Array.from({ length: TIMES }, () => "one"),
  );
  t.deepEqual([...new Set(first.map((seen) => seen["x-user"]))], ["ann"]);
  t.is(new Set(first.map((seen) => seen["x-request-id"])).size, TIMES);
  t.deepEqual(
    (await repeat(1, "/items/1", { "x-user": "eve" })).map((seen) => seen["x-user"]),
    ["eve"],
  );
  change(tagged("two"));
  t.is((await repeat(1, "/items/1", { "x-user": "ann" }))[0]?.["x-rule"], "two");
  await repeat(TIMES, "/items/1");
  change(route(to("v2")));
  const [moved] = await repeat(1, "/items/1");
  t.is(moved?.["host"], "v2.example");
  t.is(moved?.["x-rule"], undefined);
  await repeat(TIMES, "/items/1");
  change(route(to("v2").replace("/items", "/elsewhere")));
  t.deepEqual(hosts(await repeat(1, "/items/1")), ["404"]);
});

test("chance has its say about each of many equal requests", async (t) => {
  const backends = ["v1", "v2"].map((name) => `{ name: ${name}, port: 80, filters: [${setting("x-to", name)}] }`);
  const both = `{ matches: [{ path: { type: PathPrefix, value: /items } }], backendRefs: [${backends.join(", ")}] }`;
  const { repeat } = await open(t, () => route(both));
  const seen = await repeat(20, "/items/1");
  const first = seen.filter((headers) => headers["x-to"] === "v1").length;
  t.true(first >= 8 && first <= 12, `${first} of 20 went to one of two`);
});

test("policies are asked about each of many equal requests, as soon as there are some", async (t) => {
  const limit = `
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: catalog, namespace: shop }
spec: { targetRef: { kind: Service, name: catalog }, rateLimits: [{ requests: 2, per: 1h, burst: 2 }] }
---
`;
  const { change, repeat } = await open(t, () => route(to("v1")));
  t.deepEqual([...new Set(hosts(await repeat(TIMES, "/items/1")))], ["v1.example"]);
  change(route(to("v1")) + limit);
  t.deepEqual(hosts(await repeat(TIMES, "/items/1")), ["v1.example", "v1.example", "429", "429", "429"]);
  change(route(to("v1")));
  t.deepEqual([...new Set(hosts(await repeat(TIMES, "/items/1")))], ["v1.example"]);
});
