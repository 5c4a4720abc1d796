/** Small tables for tests. */
import type { MeshSettings, NodeEntry, TableSnapshot, WorkloadEntry } from "../../protocol/table.ts";

export const testMesh: MeshSettings = {
  trustDomain: "cluster.local",
  encryption: "strict",
  locality: "prefer-local",
  loadBalancer: "least-request",
  ejection: { consecutiveFailures: 5, baseEjectionMs: 30_000, maxEjectionMs: 300_000, maxEjectionPercent: 50 },
  exclude: { ports: [], cidrs: [], namespaces: [] },
};

export function testNode(name: string, fields: Partial<NodeEntry> = {}): NodeEntry {
  return { name, addresses: ["192.0.2.1"], podCidrs: ["10.244.1.0/24"], agent: false, ...fields };
}

export function testWorkload(uid: string, fields: Partial<WorkloadEntry> = {}): WorkloadEntry {
  const [namespace = "", name = ""] = uid.split("/");
  return {
    uid,
    namespace,
    name,
    workload: name,
    node: "node-1",
    addresses: ["10.244.1.2"],
    serviceAccount: "default",
    labels: {},
    mesh: true,
    state: "ready",
    ...fields,
  };
}

export function testTable(fields: Partial<TableSnapshot> = {}): TableSnapshot {
  return {
    epoch: "epoch-1",
    sequence: 1,
    mesh: testMesh,
    nodes: [testNode("node-1")],
    workloads: [testWorkload("shop/catalog-1")],
    services: [],
    endpoints: [],
    routes: [],
    ...fields,
  };
}
