/**
 * The whole state of one node's kernel as text, compared with the files beside this one: a change of rules is reviewed
 * as their diff. `UPDATE_GOLDEN=1 npx ava test/unit/agent/netfilter` writes them anew.
 */
import { readFileSync, writeFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { describeRules } from "../../../../agent/netfilter/describe-rules.ts";
import { desiredRules } from "../../../../agent/netfilter/desired-rules.ts";
import { guardView, nodeView } from "../../../../agent/netfilter/node-view.ts";
import { renderSetChanges, setOptions } from "../../../../agent/netfilter/render-ipset.ts";
import type { MeshSettings, TableSnapshot } from "../../../../protocol/table.ts";
import { TableState } from "../../../../routing/table-state.ts";
import { testMesh, testNode, testTable, testWorkload } from "../../../support/test-tables.ts";

const PORTS = { outboundPort: 40001, inboundPort: 40009 };

/** Two nodes; `mixed` has an endpoint on each, `remote` only on the other one, `local` only here. Both families. */
function cluster(mesh: Partial<MeshSettings> = {}): TableSnapshot {
  const pod = (name: string, node: 1 | 2, last: number, fields = {}) =>
    testWorkload(`shop/${name}`, {
      node: `node-${node}`,
      addresses: [`10.244.${node}.${last}`, `fd10:244:${node}::${last}`],
      ...fields,
    });
  const service = (name: string, last: number) => ({
    key: `shop/${name}`,
    namespace: "shop",
    name,
    clusterIps: [`10.96.0.${last}`, `fd10:96::${last}`],
    ports: [{ name: "http", port: 80, protocol: "TCP" as const }],
  });
  const endpoint = (name: string, workload: string, weight = 100) => ({
    key: `shop/${name}|shop/${workload}`,
    service: `shop/${name}`,
    workload: `shop/${workload}`,
    ports: { 80: 8080 },
    weight,
  });
  return testTable({
    mesh: { ...testMesh, ...mesh },
    nodes: [1, 2].map((index) =>
      testNode(`node-${index}`, {
        addresses: [`192.0.2.${index}`],
        podCidrs: [`10.244.${index}.0/24`, `fd10:244:${index}::/64`],
        agent: true,
      }),
    ),
    workloads: [pod("a", 1, 2), pod("b", 1, 3), pod("c", 2, 2), pod("out", 2, 9, { mesh: false })],
    services: [service("mixed", 10), service("remote", 11), service("local", 12)],
    endpoints: [
      endpoint("mixed", "b", 100),
      endpoint("mixed", "c", 300),
      endpoint("remote", "c"),
      endpoint("local", "a"),
      endpoint("local", "b"),
    ],
  });
}

function rulesOf(snapshot: TableSnapshot): ReturnType<typeof desiredRules> {
  return desiredRules(nodeView(new TableState(snapshot), "node-1"), PORTS);
}

function golden(t: ExecutionContext, name: string, text: string): void {
  const file = new URL(`${name}.golden`, import.meta.url);
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, text);
  t.is(text, readFileSync(file, "utf8"));
}

test("rules of strict encryption with prefer-local", (t) => {
  golden(t, "strict-prefer-local", describeRules(rulesOf(cluster())));
});

test("rules of permissive encryption with spread and exclusions", (t) => {
  const exclude = { ports: [9100], cidrs: ["10.0.99.0/24", "fd99::/64"], namespaces: [] };
  golden(
    t,
    "permissive-spread-exclusions",
    describeRules(rulesOf(cluster({ encryption: "permissive", locality: "spread", exclude }))),
  );
});

test("rules where pods are on a bridge with br_netfilter: connections are redirected", (t) => {
  const view = nodeView(new TableState(cluster({ locality: "spread" })), "node-1");
  golden(t, "strict-spread-redirect", describeRules(desiredRules(view, { ...PORTS, intercept: "redirect" })));
});

test("redirected, nothing is handed over by TPROXY, which a bridge would undo", (t) => {
  const view = nodeView(new TableState(cluster()), "node-1");
  t.false(describeRules(desiredRules(view, { ...PORTS, intercept: "redirect" })).includes("TPROXY"));
});

test("rules that guard a node before its first table", (t) => {
  const options = {
    encryption: "strict" as const,
    clusterCidrs: ["10.244.0.0/16", "fd10:244::/32"],
    nodeCidrs: ["10.244.1.0/24", "fd10:244:1::/64"],
  };
  golden(t, "guard", describeRules(desiredRules(guardView(options), PORTS)));
});

test("spread sends the agent the remote endpoints' weight, a quarter stays here", (t) => {
  const { direct } = nodeView(new TableState(cluster({ locality: "spread" })), "node-1").families[4];
  const mixed = direct.find(({ service }) => service === "shop/mixed");
  t.is(mixed?.agentShare, 0.75);
  t.deepEqual(
    mixed?.targets.map(({ address, port }) => `${address}:${port}`),
    ["10.244.1.3:8080"],
  );
});

test("prefer-local keeps all of a Service here while a pod here is ready", (t) => {
  const { direct, vips } = nodeView(new TableState(cluster()), "node-1").families[4];
  t.is(direct.find(({ service }) => service === "shop/mixed")?.agentShare, 0);
  t.true(vips.has("10.96.0.11,tcp:80"));
});

test("the number of rules does not grow with the cluster", (t) => {
  const small = cluster();
  const pods = Array.from({ length: 2_000 }, (_, index) =>
    testWorkload(`big/pod-${index}`, { node: "node-2", addresses: [`10.245.${index >> 8}.${index & 255}`] }),
  );
  const big = rulesOf({ ...small, workloads: [...small.workloads, ...pods] });
  t.deepEqual(big.families, rulesOf(small).families);
});

test("a change of one pod is one line for ipset", (t) => {
  const before = rulesOf(cluster());
  const known = new Map(before.sets.map((set) => [set.name, { ...set, options: setOptions(set) }]));
  const snapshot = cluster();
  const added = testWorkload("shop/d", { node: "node-2", addresses: ["10.244.2.7"] });
  const after = rulesOf({ ...snapshot, workloads: [...snapshot.workloads, added] });
  t.is(renderSetChanges(known, after.sets).trim(), "add hawser-remote4 10.244.2.7");
});
