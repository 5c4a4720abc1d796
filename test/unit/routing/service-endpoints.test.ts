/** Which endpoints take the connections of a node, stage by stage. */
import test from "ava";
import type { RouteSubset } from "../../../protocol/route-table.ts";
import type { EndpointEntry, MeshSettings, PodEndpoint, ServiceEntry, WorkloadEntry } from "../../../protocol/table.ts";
import { chooseEndpoints } from "../../../routing/service-endpoints.ts";
import { TableState } from "../../../routing/table-state.ts";
import { endpointEntry, nodeEntry, outsideEntry, serviceEntry, tableSnapshot, workloadEntry } from "./sample-table.ts";

const PORT = { name: "", port: 80, protocol: "TCP" } as const;
const NODES = [
  nodeEntry("n1", { zone: "z1" }),
  nodeEntry("n2", { zone: "z1" }),
  nodeEntry("n3", { zone: "z2" }),
  nodeEntry("bare", { zone: "z1", agent: false }),
];

/** A pod and what its endpoint says. */
type Behind = readonly [name: string, node: string, fields?: Partial<PodEndpoint>, pod?: Partial<WorkloadEntry>];

interface Given {
  readonly pods: readonly Behind[];
  readonly outside?: readonly EndpointEntry[];
  readonly service?: Partial<ServiceEntry>;
  readonly mesh?: Partial<MeshSettings>;
  readonly node?: string;
  readonly subset?: RouteSubset;
}

function choice({ pods, outside = [], service = {}, mesh = {}, node = "n1", subset }: Given) {
  const entry = serviceEntry("a/web", { ports: [PORT], ...service });
  const workloads = pods.map(([name, on, , fields], index) =>
    workloadEntry(`a/${name}`, on, { addresses: [`10.0.0.${index + 1}`], ...fields }),
  );
  const endpoints = pods.map(([name, , fields]) => endpointEntry("a/web", `a/${name}`, { 80: 80 }, 100, fields));
  const table = new TableState(
    tableSnapshot(
      { nodes: NODES, workloads, services: [entry], endpoints: [...endpoints, ...outside] },
      { locality: "spread", ...mesh },
    ),
  );
  const about = { service: entry, port: PORT, family: 4 } as const;
  return chooseEndpoints(table, node, subset === undefined ? about : { ...about, subset });
}

const names = (given: Given): readonly string[] =>
  choice(given).chosen.map(({ workload, key }) => workload?.name ?? key);

test("an endpoint's own state goes before its pod's", (t) => {
  const raised = ["p3", "n3", { state: "ready" }, { state: "draining" }] as const;
  t.deepEqual(names({ pods: [["p1", "n1"], ["p2", "n2", { state: "unready" }], raised] }), ["p1", "p3"]);
});

test("the zone is preferred, and when nobody in it can take a connection, all can", (t) => {
  const mesh = { locality: "prefer-zone" } as const;
  t.deepEqual(
    names({
      mesh,
      pods: [
        ["p1", "n1"],
        ["p2", "n2"],
        ["p3", "n3"],
      ],
    }),
    ["p1", "p2"],
  );
  t.deepEqual(
    names({
      mesh,
      node: "n3",
      pods: [
        ["p1", "n1"],
        ["p2", "n2"],
        ["p3", "n3"],
      ],
    }),
    ["p3"],
  );
  t.deepEqual(
    names({
      mesh,
      node: "n3",
      pods: [
        ["p1", "n1"],
        ["p2", "n2"],
      ],
    }),
    ["p1", "p2"],
  );
  // In the zone, but strict encryption does not reach it.
  t.deepEqual(
    names({
      mesh,
      pods: [
        ["p1", "bare"],
        ["p3", "n3"],
      ],
    }),
    ["p3"],
  );
  t.deepEqual(
    names({
      mesh,
      node: "n9",
      pods: [
        ["p1", "n1"],
        ["p3", "n3"],
      ],
    }),
    ["p1", "p3"],
  );
});

test("the Service's locality goes before the mesh's", (t) => {
  const pods: Behind[] = [
    ["p1", "n1"],
    ["p3", "n3"],
  ];
  t.deepEqual(names({ pods, mesh: { locality: "prefer-local" }, service: { locality: "spread" } }), ["p1", "p3"]);
  t.deepEqual(names({ pods, service: { locality: "prefer-local" } }), ["p1"]);
});

test("hints count when every endpoint has them and one is meant for us, those for nodes first", (t) => {
  const pods = (one: Partial<PodEndpoint>, two: Partial<PodEndpoint>): Given => ({
    pods: [
      ["p1", "n1", one],
      ["p2", "n2", two],
    ],
  });
  t.deepEqual(names(pods({ forZones: ["z2"] }, { forZones: ["z1", "z3"] })), ["p2"]);
  t.deepEqual(names(pods({ forZones: ["z2"] }, {})), ["p1", "p2"]);
  t.deepEqual(names(pods({ forZones: ["z2"] }, { forZones: ["z3"] })), ["p1", "p2"]);
  t.deepEqual(names(pods({ forZones: ["z1"], forNodes: ["n2"] }, { forZones: ["z2"], forNodes: ["n1"] })), ["p2"]);
  t.deepEqual(names(pods({ forZones: ["z1"], forNodes: ["n2"] }, { forZones: ["z2"], forNodes: ["n3"] })), ["p1"]);
  t.deepEqual(names(pods({ forZones: ["z1"], forNodes: ["n2"] }, { forZones: ["z2"] })), ["p1"]);
  // One that is not ready does not count.
  t.deepEqual(names(pods({ forZones: ["z1"] }, { state: "unready" })), ["p1"]);
  t.deepEqual(names({ ...pods({ forZones: ["z1"] }, { forZones: ["z2"] }), node: "n3" }), ["p2"]);
});

test("internalTrafficPolicy Local counts only what is on the node, ready or else draining", (t) => {
  const service = { internalTrafficPolicy: "Local" } as const;
  t.deepEqual(
    names({
      service,
      pods: [
        ["p1", "n1"],
        ["p2", "n2"],
      ],
    }),
    ["p1"],
  );
  t.deepEqual(
    names({
      service,
      pods: [
        ["p1", "n1", { state: "draining" }],
        ["p2", "n2"],
      ],
    }),
    ["p1"],
  );
  t.deepEqual(names({ service, pods: [["p2", "n2"]] }), []);
  const outside = [outsideEntry("a/web", "10.9.0.1:80", 80, { node: "n1" }), outsideEntry("a/web", "10.9.0.2:80", 80)];
  t.deepEqual(names({ service, pods: [], outside }), ["10.9.0.1:80"]);
});

test("what is outside the pods is plain, and has the place that is said of it or its node's", (t) => {
  const outside = [
    outsideEntry("a/web", "10.9.0.1:80", 80, { node: "n2" }),
    outsideEntry("a/web", "10.9.0.2:80", 80, { zone: "z2" }),
    outsideEntry("a/web", "10.9.0.3:80", 80, { state: "unready" }),
  ];
  t.deepEqual(
    choice({ pods: [["p3", "n3"]], outside }).chosen.map(({ key, transport }) => [key, transport]),
    [
      ["10.9.0.1:80", "plain"],
      ["10.9.0.2:80", "plain"],
      ["a/p3:80", "tunnel"],
    ],
  );
  t.deepEqual(names({ pods: [["p3", "n3"]], outside, mesh: { locality: "prefer-zone" } }), ["10.9.0.1:80"]);
  t.deepEqual(names({ pods: [["p3", "n3"]], outside, mesh: { locality: "prefer-local" }, node: "n2" }), [
    "10.9.0.1:80",
  ]);
});

test("a choice says what led to it", (t) => {
  const { why } = choice({
    pods: [
      ["p1", "n1", { state: "unready" }],
      ["p2", "n2"],
    ],
    mesh: { locality: "prefer-zone" },
  });
  t.deepEqual(why, [
    "port 80 of Service a/web",
    "1 of 2 endpoints are ready",
    "1 of them are in zone z1 (prefer-zone)",
  ]);
  t.deepEqual(choice({ pods: [] }).why, ["port 80 of Service a/web", "there is no endpoint of IPv4"]);
});

test("a subset has the pods with all of its labels, and nothing that is no pod", (t) => {
  const pods: Behind[] = [
    ["p1", "n1", {}, { labels: { app: "web", version: "v1" } }],
    ["p2", "n2", {}, { labels: { app: "web", version: "v2", tier: "canary" } }],
    ["p3", "n3", {}, { labels: { app: "web" } }],
  ];
  const outside = [outsideEntry("a/web", "10.9.0.1:80", 80)];
  const of = (labels: Readonly<Record<string, string>>) => names({ pods, outside, subset: { name: "a/some", labels } });
  t.deepEqual(of({ version: "v2" }), ["p2"]);
  t.deepEqual(of({ app: "web" }), ["p1", "p2", "p3"]);
  t.deepEqual(of({ version: "v1", tier: "canary" }), []);
  t.deepEqual(choice({ pods, subset: { name: "a/none", labels: { version: "v3" } } }).why, [
    "port 80 of Service a/web",
    "subset a/none",
    "there is no endpoint of IPv4",
  ]);
});

test("with spill-over the others are told, and how much of the near ones there would be", (t) => {
  const pods: Behind[] = [
    ["p1", "n1"],
    ["p2", "n2", { weight: 300 }],
    ["p3", "n2", { state: "unready" }],
    ["p4", "n2", { state: "draining" }],
    ["p5", "n3"],
  ];
  const service = { spillOver: { minHealthyPercent: 70 } };
  const given = choice({ pods, service, mesh: { locality: "prefer-zone" } });
  t.deepEqual(
    given.chosen.map(({ workload }) => workload?.name),
    ["p1", "p2"],
  );
  t.deepEqual(
    given.beyond?.far.map(({ workload }) => workload?.name),
    ["p5"],
  );
  t.deepEqual(given.beyond?.spillOver, { minHealthyPercent: 70, nearWeight: 500 });
  t.is(given.why.at(-1), "80 % of the near ones are ready; below 70 %, 1 others take a part");
});

test("nothing is beyond the near ones without spill-over, without others, or when nothing is near", (t) => {
  const service = { spillOver: { minHealthyPercent: 70 } };
  const mesh = { locality: "prefer-zone" } as const;
  const two: Behind[] = [
    ["p1", "n1"],
    ["p3", "n3"],
  ];
  t.is(choice({ pods: two, mesh }).beyond, undefined);
  t.is(choice({ pods: two.slice(0, 1), mesh, service }).beyond, undefined);
  t.is(choice({ pods: two.slice(1), mesh, service }).beyond, undefined);
  t.is(choice({ pods: two, service }).beyond, undefined);
});
