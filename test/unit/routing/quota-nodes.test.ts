import test from "ava";
import type { NodeEntry, WorkloadEntry } from "../../../protocol/table.ts";
import { quotaTerms } from "../../../routing/http/quota-terms.ts";
import { quotaNodes } from "../../../routing/quota-nodes.ts";

function node(name: string, agent = true): NodeEntry {
  return { name, addresses: [], podCidrs: [], agent };
}

function workload(on: string, changes: Partial<WorkloadEntry> = {}): WorkloadEntry {
  const names = { uid: `shop/${on}`, namespace: "shop", name: on, workload: on, serviceAccount: on };
  return { ...names, node: on, addresses: [], labels: {}, mesh: true, state: "ready", ...changes };
}

test("nodes with an agent and a pod that can send requests", (t) => {
  const nodes = [node("a"), node("b"), node("c", false), node("d"), node("e"), node("empty")];
  const workloads = [
    workload("a"),
    workload("b", { state: "draining" }),
    workload("c"),
    workload("d", { state: "unready" }),
    workload("e", { mesh: false }),
  ];
  t.deepEqual([...quotaNodes({ nodes, workloads })], ["a", "b"]);
});

test("quotas of all rules, by name", (t) => {
  const quota = (name: string, requests: number) => ({ name, requests, perMs: 1_000, policy: "p", scope: "s" });
  const rule = { route: "shop/r", index: 0, backends: [] };
  const entry = { key: "k", service: "s", port: 80, kind: "HTTPRoute", matches: [] } as const;
  const terms = quotaTerms([
    { ...entry, rules: [{ ...rule, quotas: [quota("x", 1), quota("y", 2)] }, rule] },
    { ...entry, rules: [{ ...rule, quotas: [quota("x", 1)] }] },
  ]);
  t.deepEqual(
    [...terms.values()].map(({ name, requests }) => [name, requests]),
    [
      ["x", 1],
      ["y", 2],
    ],
  );
});
