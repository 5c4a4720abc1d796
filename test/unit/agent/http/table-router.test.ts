/** What the data plane is told of requests, by a table and its changes. */
import test from "ava";
import { Sessions } from "../../../../agent/http/session/sessions.ts";
import { tableRouters } from "../../../../agent/http/table-router.ts";
import type { RouteEntry } from "../../../../protocol/route-table.ts";
import type { RequestFacts } from "../../../../routing/http/request-facts.ts";
import { TableState } from "../../../../routing/table-state.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import {
  endpointEntry,
  nodeEntry,
  routeEntry,
  serviceEntry,
  tableSnapshot,
  workloadEntry,
} from "../../routing/sample-table.ts";

const sessions = new Sessions(new FakeClock());
const PORTS = [{ name: "http", port: 80, protocol: "TCP" }] as const;
const web = workloadEntry("shop/web", "n1", { addresses: ["10.0.1.1"] });
const stranger = workloadEntry("team/job", "n1", { addresses: ["10.0.1.2"] });
const near = workloadEntry("shop/v1", "n1", { addresses: ["10.0.1.3"] });
const far = workloadEntry("shop/v2", "n2", { addresses: ["10.0.2.4", "fd00::4"] });

/** To Service shop/v1 of this node by weight `first`, to shop/v2 of another one by `second`. */
function weighted(first: number, second: number, fields: Partial<RouteEntry> = {}): RouteEntry {
  const backends = [
    { service: "shop/v1", port: 80, weight: first },
    { service: "shop/v2", port: 80, weight: second },
  ];
  return routeEntry("shop/catalog", { rules: [{ route: "shop/r", index: 0, backends }], ...fields });
}

function tableWith(...routes: readonly RouteEntry[]): TableState {
  return new TableState(
    tableSnapshot(
      {
        nodes: [nodeEntry("n1"), nodeEntry("n2")],
        workloads: [web, stranger, near, far],
        services: ["shop/catalog", "shop/v1", "shop/v2"].map((key) => serviceEntry(key, { ports: PORTS })),
        endpoints: [
          endpointEntry("shop/v1", near.uid, { 80: 8080 }),
          endpointEntry("shop/v2", near.uid, { 80: 8081 }),
          endpointEntry("shop/v2", far.uid, { 80: 8080 }),
        ],
        routes,
      },
      { locality: "spread" },
    ),
  );
}

function facts(random: number, source = web): RequestFacts {
  return {
    source,
    service: "shop/catalog",
    port: 80,
    scheme: "http",
    method: "GET",
    target: "/",
    authority: "catalog",
    headers: new Map(),
    random,
    mirrorRandom: 0,
  };
}

test("only what has a route for the caller has a router", (t) => {
  const table = tableWith(weighted(1, 1, { consumer: "team", key: "shop/catalog:80@team" }));
  const routers = tableRouters("n1", () => table, sessions);
  t.is(routers(web, "shop/catalog", 80, 4), undefined);
  t.is(routers(stranger, "shop/catalog", 81, 4), undefined);
  t.is(routers(stranger, "shop/v1", 80, 4), undefined);
  t.truthy(routers(stranger, "shop/catalog", 80, 4));
});

test("a consumer's routes stand in place of the producer's", (t) => {
  const table = tableWith(weighted(1, 0), weighted(0, 1, { consumer: "team", key: "shop/catalog:80@team" }));
  const routers = tableRouters("n1", () => table, sessions);
  const backendOf = (source: typeof web) => {
    const decision = routers(source, "shop/catalog", 80, 4)?.decide(facts(0, source));
    return decision?.kind === "forward" ? decision.backend.service : undefined;
  };
  t.deepEqual([backendOf(web), backendOf(stranger)], ["shop/v1", "shop/v2"]);
});

test("a router follows the table: weights move under it, and without the route it says so", (t) => {
  let table = tableWith(weighted(1, 0));
  const router = tableRouters("n1", () => table, sessions)(web, "shop/catalog", 80, 4);
  const backend = () => {
    const decision = router?.decide(facts(0.5));
    return decision?.kind === "forward" ? decision.backend.service : decision?.kind;
  };
  t.is(backend(), "shop/v1");
  table.apply({ epoch: "epoch-1", sequence: 2, upserts: { route: [weighted(0, 1)] }, removals: {} });
  t.is(backend(), "shop/v2");
  table = tableWith();
  t.is(backend(), "not-routed");
});

test("endpoints of this node are candidates as well, dialled directly, and the list stays the same one", (t) => {
  const table = tableWith(weighted(1, 1));
  const router = tableRouters("n1", () => table, sessions)(web, "shop/catalog", 80, 4);
  const endpoints = router?.endpoints({ service: "shop/v2", port: 80 });
  t.deepEqual(
    endpoints?.candidates.map(({ address, port, transport }) => [address, port, transport]),
    [
      ["10.0.1.3", 8081, "local"],
      ["10.0.2.4", 8080, "tunnel"],
    ],
  );
  t.is(router?.endpoints({ service: "shop/v2", port: 80 })?.candidates, endpoints?.candidates);
});

test("a target that is asked for again has the endpoints of now: after a change, and in another table", (t) => {
  let table = tableWith(weighted(1, 1));
  const router = tableRouters("n1", () => table, sessions)(web, "shop/catalog", 80, 4);
  const target = { service: "shop/v2", port: 80 };
  const addresses = () => router?.endpoints(target)?.candidates.map(({ address }) => address);
  t.deepEqual(addresses(), ["10.0.1.3", "10.0.2.4"]);
  const gone = { endpoint: [`shop/v2|${far.uid}`] };
  table.apply({ epoch: "epoch-1", sequence: 2, upserts: {}, removals: gone });
  t.deepEqual(addresses(), ["10.0.1.3"]);
  table.apply({
    epoch: "epoch-1",
    sequence: 3,
    upserts: {},
    removals: { service: ["shop/v2"], endpoint: [`shop/v2|${near.uid}`] },
  });
  t.is(addresses(), undefined);
  table = tableWith(weighted(1, 1));
  t.deepEqual(addresses(), ["10.0.1.3", "10.0.2.4"]);
  const before = table;
  before.apply({ epoch: "epoch-1", sequence: 2, upserts: {}, removals: gone });
  t.deepEqual(addresses(), ["10.0.1.3"]);
  table = tableWith(weighted(1, 1));
  table.apply({ epoch: "epoch-1", sequence: 2, upserts: {}, removals: {} });
  t.deepEqual(addresses(), ["10.0.1.3", "10.0.2.4"], "another table of the same sequence");
});

test("endpoints are of the family that was dialled; without any, requests are answered with 503", (t) => {
  const table = tableWith(weighted(1, 0));
  const router = tableRouters("n1", () => table, sessions)(web, "shop/catalog", 80, 6);
  t.deepEqual(
    router?.endpoints({ service: "shop/v2", port: 80 })?.candidates.map(({ address }) => address),
    ["fd00::4"],
  );
  const none = router?.endpoints({ service: "shop/v1", port: 80 });
  t.deepEqual(none?.candidates, []);
  t.regex(none?.problem ?? "", /No endpoint can take a connection for port 80 of Service shop\/v1/);
  const decision = router?.decide(facts(0));
  t.like(decision, { kind: "respond", status: 503, code: "no-endpoints" });
  t.is(router?.endpoints({ service: "shop/v3", port: 80 }), undefined);
  t.is(router?.endpoints({ service: "shop/v2", port: 81 }), undefined);
});

test("a subset has endpoints, a list and statistics of its own, also after its labels have changed", (t) => {
  const labelled = (version: string) => ({ name: "shop/some", labels: { version } });
  const table = tableWith(weighted(1, 1));
  const workload = [
    { ...near, labels: { version: "v1" } },
    { ...far, labels: { version: "v2" } },
  ];
  table.apply({ epoch: "epoch-1", sequence: 2, upserts: { workload }, removals: {} });
  const router = tableRouters("n1", () => table, sessions)(web, "shop/catalog", 80, 4);
  const v1 = labelled("v1");
  const ofV1 = router?.endpoints({ service: "shop/v2", port: 80, subset: v1 });
  t.deepEqual(
    ofV1?.candidates.map(({ address }) => address),
    ["10.0.1.3"],
  );
  t.is(ofV1?.destination, "shop/v2:80 shop/some");
  t.is(router?.endpoints({ service: "shop/v2", port: 80, subset: v1 }), ofV1);
  t.deepEqual(
    router?.endpoints({ service: "shop/v2", port: 80, subset: labelled("v2") })?.candidates.map(({ key }) => key),
    ["shop/v2:8080"],
  );
});

test("a request to a subset without endpoints is answered with 503, and the reason names it", (t) => {
  const subset = { name: "shop/v3", labels: { version: "v3" } };
  const backends = [{ service: "shop/v2", port: 80, weight: 1, subset }];
  const table = tableWith(routeEntry("shop/catalog", { rules: [{ route: "shop/r", index: 0, backends }] }));
  const router = tableRouters("n1", () => table, sessions)(web, "shop/catalog", 80, 4);
  const decision = router?.decide(facts(0));
  t.like(decision, { kind: "respond", status: 503, code: "no-endpoints" });
  t.regex(decision?.kind === "respond" ? decision.reason : "", /shop\/v2:80 \(subset shop\/v3\)/);
});

test("what a Service's policy says of the choice is told with the endpoints", (t) => {
  const table = tableWith(weighted(1, 1));
  const policy = {
    loadBalancer: "hash",
    hash: { from: "header", name: "x-user" },
    slowStart: { windowMs: 30_000, minPercent: 10 },
    spillOver: { minHealthyPercent: 70 },
    locality: "prefer-local",
  } as const;
  const service = [serviceEntry("shop/v2", { ports: PORTS, ...policy })];
  table.apply({ epoch: "epoch-1", sequence: 2, upserts: { service }, removals: {} });
  const router = tableRouters("n1", () => table, sessions)(web, "shop/catalog", 80, 4);
  const endpoints = router?.endpoints({ service: "shop/v2", port: 80 });
  t.like(endpoints, { loadBalancer: "hash", hash: policy.hash });
  t.deepEqual(endpoints?.choice, {
    slowStart: policy.slowStart,
    spillOver: { minHealthyPercent: 70, nearWeight: 100 },
    honorsRetryAfter: true,
  });
  t.deepEqual(
    endpoints?.candidates.map(({ address, far: isFar }) => [address, isFar]),
    [
      ["10.0.1.3", undefined],
      ["10.0.2.4", true],
    ],
  );
  t.is(router?.endpoints({ service: "shop/v1", port: 80 })?.choice, undefined);
});
