import test from "ava";
import type { MeshSettings, TableSnapshot, WorkloadEntry } from "../../../protocol/table.ts";
import { type ConnectionFacts, decideConnection, type ForwardDecision } from "../../../routing/decide-connection.ts";
import { TableState } from "../../../routing/table-state.ts";
import { endpointEntry, nodeEntry, serviceEntry, tableSnapshot, workloadEntry } from "./sample-table.ts";

const NODES = [nodeEntry("n1"), nodeEntry("n2"), nodeEntry("bare", { agent: false })];
const CALLER = workloadEntry("shop/web", "n1", { addresses: ["10.1.0.1", "fd00:1::1"] });
const SERVICE = serviceEntry("shop/db", {
  clusterIps: ["10.96.0.1", "fd00:96::1"],
  ports: [{ name: "sql", port: 3306, protocol: "TCP" }],
});

/** A table with a caller on n1 and the given pods behind shop/db; a pod's weight is its label `weight`. */
function tableWith(
  pods: readonly WorkloadEntry[],
  mesh: Partial<MeshSettings> = {},
  more: Partial<TableSnapshot> = {},
) {
  const weight = (pod: WorkloadEntry) => Number(pod.labels["weight"] ?? 100);
  return new TableState(
    tableSnapshot(
      {
        nodes: NODES,
        workloads: [CALLER, ...pods],
        services: [SERVICE],
        endpoints: pods.map((pod) => endpointEntry(SERVICE.key, pod.uid, { 3306: 13306 }, weight(pod))),
        ...more,
      },
      mesh,
    ),
  );
}

const FACTS: ConnectionFacts = {
  node: "n1",
  sourceAddress: "10.1.0.1",
  destinationAddress: "10.96.0.1",
  destinationPort: 3306,
};

const db = (name: string, node: string, fields: Partial<WorkloadEntry> = {}) =>
  workloadEntry(`shop/${name}`, node, { addresses: [`10.2.0.${name.slice(2)}`], ...fields });

/** `name transport weight` of every candidate, or the refusal's code. */
function outcome(table: TableState, facts: Partial<ConnectionFacts> = {}): string[] {
  const decision = decideConnection(table, { ...FACTS, ...facts });
  if (decision.kind === "refuse") return [decision.code];
  return decision.candidates.map(
    ({ key, workload, transport, weight }) => `${workload?.name ?? key} ${transport} ${weight}`,
  );
}

test("a Service's remote ready endpoints are reached by tunnel on their target port", (t) => {
  const table = tableWith([db("db1", "n2"), db("db2", "n2", { state: "unready" }), db("db3", "n2")]);
  const decision = decideConnection(table, FACTS) as ForwardDecision;
  t.deepEqual(outcome(table), ["db1 tunnel 100", "db3 tunnel 100"]);
  t.like(decision.candidates[0], { key: "shop/db1:13306", address: "10.2.0.1", port: 13306 });
  t.like(decision, { source: { uid: "shop/web" }, service: { key: "shop/db" }, servicePort: { name: "sql" } });
  t.like(decision, { loadBalancer: "least-request", ejection: { consecutiveFailures: 2 } });
  t.deepEqual(decision.why, ["port 3306 of Service shop/db", "2 of 3 endpoints are ready", "2 to choose from"]);
});

test("local endpoints are candidates only when they are preferred or there is no remote one", (t) => {
  const pods = [db("db1", "n1"), db("db2", "n2")];
  t.deepEqual(outcome(tableWith(pods, { locality: "spread" })), ["db2 tunnel 100"]);
  t.deepEqual(outcome(tableWith(pods)), ["db1 local 100"]);
  t.deepEqual(outcome(tableWith([db("db1", "n1")])), ["db1 local 100"]);
});

test("a node without an agent is reached in plain when permissive and left out when strict", (t) => {
  const pods = [db("db1", "bare"), db("db2", "n2")];
  t.deepEqual(outcome(tableWith(pods, { encryption: "permissive" })), ["db1 plain 100", "db2 tunnel 100"]);
  t.deepEqual(outcome(tableWith(pods, { encryption: "strict" })), ["db2 tunnel 100"]);
  t.deepEqual(outcome(tableWith([db("db1", "bare")], { encryption: "strict" })), ["no-agent"]);
});

test("an endpoint outside the mesh is reached in plain", (t) => {
  t.deepEqual(outcome(tableWith([db("db1", "n2", { mesh: false })])), ["db1 plain 100"]);
});

test("draining endpoints are used only when nothing is ready", (t) => {
  const draining = db("db1", "n2", { state: "draining" });
  t.deepEqual(outcome(tableWith([draining, db("db2", "n2")])), ["db2 tunnel 100"]);
  t.deepEqual(outcome(tableWith([draining, db("db2", "n2", { state: "unready" })])), ["db1 tunnel 100"]);
  t.deepEqual(outcome(tableWith([db("db2", "n2", { state: "unready" })])), ["no-endpoints"]);
  t.deepEqual(outcome(tableWith([])), ["no-endpoints"]);
});

test("weight 0 takes nothing unless all have it", (t) => {
  const zero = (name: string) => db(name, "n2", { labels: { weight: "0" } });
  t.deepEqual(outcome(tableWith([zero("db1"), db("db2", "n2", { labels: { weight: "7" } })])), ["db2 tunnel 7"]);
  t.deepEqual(outcome(tableWith([zero("db1"), zero("db2")])), ["db1 tunnel 1", "db2 tunnel 1"]);
});

test("endpoints are of the family that was dialled", (t) => {
  const both = db("db1", "n2", { addresses: ["10.2.0.1", "fd00:2::1"] });
  const table = tableWith([both, db("db2", "n2")]);
  const decision = decideConnection(table, { ...FACTS, destinationAddress: "fd00:96:0::1" }) as ForwardDecision;
  t.deepEqual(
    decision.candidates.map((candidate) => candidate.address),
    ["fd00:2::1"],
  );
  t.deepEqual(outcome(table, { destinationAddress: "::ffff:10.96.0.1" }), ["db1 tunnel 100", "db2 tunnel 100"]);
});

test("an endpoint without the port that was dialled is left out", (t) => {
  const endpoints = [endpointEntry(SERVICE.key, "shop/db1", { 80: 80 })];
  t.deepEqual(outcome(tableWith([db("db1", "n2")], {}, { endpoints })), ["no-endpoints"]);
});

test("a Service's own settings win over the mesh's", (t) => {
  const ejection = { consecutiveFailures: 9, baseEjectionMs: 1, maxEjectionMs: 2, maxEjectionPercent: 3 };
  const services = [{ ...SERVICE, loadBalancer: "source-hash" as const, ejection }];
  const decision = decideConnection(tableWith([db("db1", "n2")], {}, { services }), FACTS);
  t.like(decision, { loadBalancer: "source-hash", ejection });
});

test("the list of candidates is the same object until something changes", (t) => {
  const table = tableWith([db("db1", "n2")]);
  const candidates = () => (decideConnection(table, FACTS) as ForwardDecision).candidates;
  const before = candidates();
  t.is(candidates(), before);
  table.apply({
    epoch: "epoch-1",
    sequence: 2,
    upserts: { workload: [db("db1", "n2", { state: "draining" })] },
    removals: {},
  });
  t.not(candidates(), before);
});

test("the order of candidates does not depend on the order of changes", (t) => {
  const table = tableWith([db("db1", "n2"), db("db2", "n2")]);
  const endpoint = [endpointEntry(SERVICE.key, "shop/db1", { 3306: 13306 }, 5)];
  table.apply({ epoch: "epoch-1", sequence: 2, upserts: { endpoint }, removals: {} });
  t.deepEqual(outcome(table), ["db1 tunnel 5", "db2 tunnel 100"]);
});

test("a pod that is dialled by its address is the one candidate in any state", (t) => {
  const table = tableWith([db("db1", "n2", { state: "unready" }), db("db2", "n1")]);
  const pod = { destinationAddress: "::ffff:10.2.0.1", destinationPort: 9999 };
  t.deepEqual(outcome(table, pod), ["db1 tunnel 1"]);
  t.like(decideConnection(table, { ...FACTS, ...pod }), {
    candidates: [{ key: "shop/db1:9999", address: "10.2.0.1", port: 9999 }],
  });
  t.deepEqual(outcome(table, { destinationAddress: "10.2.0.2" }), ["db2 local 1"]);
});

test("a pod on a node without an agent is refused when strict", (t) => {
  const facts = { destinationAddress: "10.2.0.1" };
  t.deepEqual(outcome(tableWith([db("db1", "bare")], { encryption: "permissive" }), facts), ["db1 plain 1"]);
  const decision = decideConnection(tableWith([db("db1", "bare")], { encryption: "strict" }), { ...FACTS, ...facts });
  t.like(decision, {
    kind: "refuse",
    code: "no-agent",
    destination: { uid: "shop/db1" },
    reason: "No agent serves node bare of pod shop/db1, and encryption is strict",
  });
});

const refusals: [string, Partial<ConnectionFacts>, string][] = [
  ["from an unknown address", { sourceAddress: "10.9.9.9" }, "unknown-source"],
  ["from a pod of another node", { sourceAddress: "10.2.0.1" }, "unknown-source"],
  ["from a pod outside the mesh", { sourceAddress: "10.2.0.3" }, "unknown-source"],
  ["to the tunnels' port of a pod", { destinationAddress: "10.2.0.1", destinationPort: 15008 }, "reserved-port"],
  ["to an unknown address", { destinationAddress: "8.8.8.8" }, "unknown-destination"],
  ["to a port that the Service does not have", { destinationPort: 1 }, "unknown-destination"],
  ["to nonsense", { destinationAddress: "nonsense" }, "unknown-destination"],
];

for (const [what, facts, code] of refusals) {
  test(`a connection ${what} is refused as ${code}`, (t) => {
    t.deepEqual(outcome(tableWith([db("db1", "n2"), db("db3", "n1", { mesh: false })]), facts), [code]);
  });
}
