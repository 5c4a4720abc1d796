import test from "ava";
import { meshStatus, type ReplicaStatus } from "../../../cli/cluster/controller-status.ts";
import { renderStatus } from "../../../cli/render-status.ts";

function replica(node: string, change: Partial<ReplicaStatus> = {}): ReplicaStatus {
  return {
    sequence: 41,
    nodes: 3,
    workloads: 12,
    services: 4,
    agents: [{ node, version: "0.1.0", applied: 41, ready: true }],
    missing: ["node-1", "node-2"].filter((one) => one !== node),
    stragglers: [],
    formerIssuer: [],
    converged: { samples: 5, p50Ms: 3, p99Ms: 20.2 },
    settled: true,
    problems: [],
    ...change,
  };
}

test("what one replica misses another has: together they have every agent", (t) => {
  const status = meshStatus(
    [
      { name: "c-a", status: replica("node-1") },
      { name: "c-b", status: replica("node-2") },
    ],
    "c-b",
  );
  t.deepEqual(status.missing, []);
  t.true(status.converged);
  t.is(
    renderStatus(status),
    [
      "mesh        3 nodes, 12 pods, 4 Services",
      "converged   yes, changes in force within 21 ms (p99)",
      "",
      "CONTROLLER  TABLE  AGENTS",
      "c-a         41     1",
      "c-b         41     1       leader",
      "",
      "NODE    AGENT  TABLE  VERSION  CONTROLLER",
      "node-1  ready  41     0.1.0    c-a",
      "node-2  ready  41     0.1.0    c-b",
    ].join("\n"),
  );
});

test("a replica that does not answer, agents that are away or behind, refused documents", (t) => {
  const stalled = { applied: 40, ready: false, node: "node-1", version: "0.1.0" };
  const status = meshStatus(
    [
      {
        name: "c-a",
        status: replica("node-1", {
          agents: [stalled],
          stragglers: ["node-1"],
          problems: ["mesh.yaml:3:1 unknown key"],
        }),
      },
      { name: "c-b", status: { problem: "502" } },
    ],
    undefined,
  );
  t.false(status.converged);
  t.is(
    renderStatus(status),
    [
      "mesh        3 nodes, 12 pods, 4 Services",
      "converged   no",
      "no channel  node-2",
      "behind      node-1",
      "",
      "CONTROLLER  TABLE  AGENTS",
      "c-a         41     1",
      "c-b         -      -       502",
      "",
      "NODE    AGENT      TABLE  VERSION  CONTROLLER",
      "node-1  not ready  40     0.1.0    c-a",
      "",
      "Not in force:",
      "  mesh.yaml:3:1 unknown key",
    ].join("\n"),
  );
});

test("nobody answers: nothing is converged", (t) => {
  t.false(meshStatus([], undefined).converged);
});

test("a quota that requests want of: how much of it, and who is leased what, by the one who leads", (t) => {
  const agents = [
    { node: "node-1", wanted: 700.4, leased: 295.2 },
    { node: "node-2", wanted: 150, leased: 149.8 },
  ];
  const status = meshStatus(
    [
      { name: "c-a", status: replica("node-1", { quotas: { leases: [] } }) },
      {
        name: "c-b",
        status: replica("node-2", { quotas: { leases: [{ name: "shop/web", requests: 500, perMs: 1_000, agents }] } }),
      },
    ],
    "c-b",
  );
  t.deepEqual(renderStatus(status).split("\n").slice(-2), [
    "QUOTA     REQUESTS    WANTED  LEASED",
    "shop/web  500 in 1 s  850     node-1 295, node-2 150",
  ]);
});
