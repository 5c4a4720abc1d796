import test from "ava";
import fc from "fast-check";
import { Cidr } from "../../../../agent/netfilter/cidr.ts";
import { MAX_DIRECT_RULES } from "../../../../agent/netfilter/limits.ts";
import { NodeNetworks } from "../../../../agent/netfilter/node-networks.ts";
import { guardView, nodeView } from "../../../../agent/netfilter/node-view.ts";
import type { MeshSettings, TableSnapshot } from "../../../../protocol/table.ts";
import { diffTables } from "../../../../routing/diff.ts";
import { TableState } from "../../../../routing/table-state.ts";
import { testMesh, testNode, testTable, testWorkload } from "../../../support/test-tables.ts";
import { tableContents } from "../../routing/table-arbitrary.ts";

function viewOf(fields: Partial<TableSnapshot>, mesh: Partial<MeshSettings> = {}) {
  return nodeView(new TableState(testTable({ mesh: { ...testMesh, ...mesh }, ...fields })), "node-1");
}

const NODES = [
  testNode("node-1", { agent: true, podCidrs: ["10.244.1.0/24"], addresses: ["192.0.2.1"] }),
  testNode("node-2", { agent: false, podCidrs: ["10.244.2.0/24"], addresses: ["192.0.2.2"] }),
];

test("pods of a node without agent are the agent's to refuse in strict, untouched in permissive", (t) => {
  const workloads = [testWorkload("a/there", { node: "node-2", addresses: ["10.244.2.5"] })];
  t.true(viewOf({ nodes: NODES, workloads }).families[4].remote.has("10.244.2.5"));
  t.is(viewOf({ nodes: NODES, workloads }, { encryption: "permissive" }).families[4].remote.size, 0);
});

test("a node's own addresses among the pods' are outside the mesh, unless a mesh pod has one", (t) => {
  const workloads = [testWorkload("a/first", { node: "node-2", addresses: ["10.244.2.1"] })];
  const { outside } = viewOf({ nodes: NODES, workloads }).families[4];
  t.deepEqual([...outside].sort(), ["10.244.1.0", "10.244.1.1", "10.244.2.0", "192.0.2.1", "192.0.2.2"]);
});

test("pods with an address outside of their node's CIDR are listed one by one", (t) => {
  const workloads = [
    testWorkload("a/here", { addresses: ["10.99.0.1"] }),
    testWorkload("a/there", { node: "node-2", addresses: ["10.99.0.2"] }),
    testWorkload("a/usual", { node: "node-2", addresses: ["10.244.2.9"] }),
  ];
  const { localNets, remoteNets } = viewOf({ nodes: NODES, workloads }).families[4];
  t.deepEqual([...localNets], ["10.244.1.0/24", "10.99.0.1"]);
  t.deepEqual([...remoteNets], ["10.244.2.0/24", "10.99.0.2"]);
});

test("a local CIDR that holds other nodes' cannot tell them apart, its pods are listed instead", (t) => {
  const nodes = [
    testNode("node-1", { podCidrs: ["10.244.0.0/16"] }),
    testNode("node-2", { podCidrs: ["10.244.0.0/16"] }),
  ];
  const workloads = [testWorkload("a/here", { addresses: ["10.244.1.5"] })];
  const { localNets, remoteNets } = viewOf({ nodes, workloads }).families[4];
  t.deepEqual([...localNets], ["10.244.1.5"]);
  t.deepEqual([...remoteNets], ["10.244.0.0/16"]);
});

test("everything excluded is two halves, for sets know no /0", (t) => {
  const exclude = { ports: [22], cidrs: ["0.0.0.0/0", "::/0", "10.1.2.3/8"], namespaces: [] };
  const view = viewOf({}, { exclude });
  t.deepEqual([...view.families[4].skipNets], ["0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8"]);
  t.deepEqual([...view.families[6].skipNets], ["::/1", "8000::/1"]);
  t.deepEqual([...view.skipPorts], [22]);
});

test("Services beyond the limit of rules go to the agent as a whole", (t) => {
  const count = MAX_DIRECT_RULES / 2 + 3;
  const services = Array.from({ length: count }, (_, index) => ({
    key: `a/s${String(index).padStart(4, "0")}`,
    namespace: "a",
    name: `s${index}`,
    clusterIps: [`10.96.${index >> 8}.${index & 255}`],
    ports: [{ name: "http", port: 80, protocol: "TCP" as const }],
  }));
  const endpoints = services.map(({ key }) => ({
    key: `${key}|shop/catalog-1`,
    service: key,
    workload: "shop/catalog-1",
    ports: { 80: 8080 },
    weight: 100,
  }));
  const view = viewOf({ services, endpoints });
  t.is(view.families[4].direct.length, MAX_DIRECT_RULES / 2);
  t.is(view.overflowing, 3);
  t.is(view.families[4].vips.size, 3);
});

test("the guard before the first table knows this node from the cluster around it", (t) => {
  const guard = { clusterCidrs: ["10.244.0.0/16"], nodeCidrs: ["10.244.1.0/24"] };
  const { localNets, remoteNets, outside } = guardView({ encryption: "strict", ...guard }).families[4];
  t.deepEqual([[...localNets], [...remoteNets]], [["10.244.1.0/24"], ["10.244.0.0/16"]]);
  t.deepEqual([...outside], ["10.244.1.0", "10.244.1.1"]);
  t.is(guardView({ encryption: "permissive", ...guard }).families[4].remoteNets.size, 0);
});

test("CIDRs are written as the kernel gives them back", (t) => {
  const texts = ["10.0.0.7/24", "10.0.0.7/32", "10.0.0.7", "FD00:0::1/64", "fd00::1/128", "10.0.0.0/33", "x"];
  t.deepEqual(
    texts.map((text) => Cidr.parse(text)?.toString()),
    ["10.0.0.0/24", "10.0.0.7", "10.0.0.7", "fd00::/64", "fd00::1", undefined, undefined],
  );
  t.false(Cidr.parse("10.0.0.0/8")?.holds("fd00::1"));
  t.deepEqual(Cidr.parse("10.0.0.0/31")?.nodeAddresses(), []);
});

test("a view of ten thousand pods takes milliseconds", (t) => {
  const workloads = Array.from({ length: 10_000 }, (_, index) =>
    testWorkload(`a/p${index}`, { node: "node-2", addresses: [`10.244.${index >> 8}.${index & 255}`] }),
  );
  const table = new TableState(testTable({ nodes: NODES, workloads }));
  nodeView(table, "node-1");
  const startMs = performance.now();
  nodeView(table, "node-1");
  const tookMs = performance.now() - startMs;
  t.log(`${tookMs.toFixed(1)} ms`);
  t.true(tookMs < 500);
});

test("along any history, networks that are remembered give the view that is computed anew", (t) => {
  fc.assert(
    fc.property(fc.array(tableContents, { minLength: 2, maxLength: 6 }), ([first, ...rest]) => {
      if (first === undefined) return;
      const networks = new NodeNetworks();
      const table = new TableState({ epoch: "e", sequence: 0, ...first });
      let before = first;
      for (const after of rest) {
        nodeView(table, "n1", networks);
        const change = diffTables(before, after);
        if (change !== undefined) table.apply({ epoch: "e", sequence: table.sequence + 1, ...change });
        t.deepEqual(nodeView(table, "n1", networks), nodeView(table, "n1"));
        before = after;
      }
    }),
    { numRuns: 200 },
  );
});
