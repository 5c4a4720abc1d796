import test from "ava";
import fc from "fast-check";
import { parseDocuments } from "../../../protocol/documents/parse-documents.ts";
import { formatProblem } from "../../../protocol/documents/problem.ts";
import { compileTable } from "../../../routing/compile.ts";
import { TableState } from "../../../routing/table-state.ts";

const NODE = `
apiVersion: v1
kind: Node
metadata: { name: n1 }
spec: { podCIDR: 10.1.0.0/24, podCIDRs: [10.1.0.0/24, "fd00:1:0::/64"] }
status:
  addresses:
    - { type: InternalIP, address: 192.168.0.1 }
    - { type: Hostname, address: n1 }
---
`;

const pod = (name: string, status: string, more: { metadata?: string; spec?: string } = {}) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name.split("-")[0]}, tier: back }${more.metadata ?? ""} }
spec:
  nodeName: n1
  containers: [{ name: main, ports: [{ name: sql, containerPort: 13306 }] }]
  ${more.spec ?? ""}
status: { ${status} }
---
`;

const service = (name: string, spec: string) => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { ${spec} }
---
`;

function compile(text: string, agentNodes: readonly string[] = []) {
  const { documents, problems } = parseDocuments(text, "test.yaml");
  const result = compileTable({ documents, agentNodes: new Set(agentNodes) });
  return { ...result, unread: problems.map(formatProblem), told: result.problems.map(formatProblem) };
}

test("no documents give an empty table with the defaults, and the trust domain that was given", (t) => {
  const { contents } = compileTable({ documents: [], agentNodes: new Set(), trustDomain: "corp.example" });
  t.like(contents, { mesh: { trustDomain: "corp.example", encryption: "strict", locality: "prefer-local" } });
  t.deepEqual([contents.nodes, contents.workloads, contents.services, contents.endpoints], [[], [], [], []]);
});

test("a Mesh document fills in what it says and keeps the other defaults", (t) => {
  const { contents, told } = compile(`
apiVersion: hawser.dev/v1
kind: Mesh
metadata: { name: mesh }
spec:
  trustDomain: a.example
  encryption: permissive
  ejection: { baseEjection: 10m }
  exclude: { ports: [443, 22, 443], cidrs: ["FD00:9::/32"] }
`);
  t.deepEqual(told, []);
  t.like(contents.mesh, { trustDomain: "a.example", encryption: "permissive", loadBalancer: "least-request" });
  t.deepEqual(contents.mesh.exclude, { ports: [22, 443], cidrs: ["fd00:9::/32"], namespaces: [] });
  t.like(contents.mesh.ejection, { consecutiveFailures: 2, baseEjectionMs: 600_000, maxEjectionMs: 600_000 });
});

test("a node has its internal addresses, its CIDRs once, and an agent when one serves it", (t) => {
  const [node] = compile(NODE, ["n1"]).contents.nodes;
  t.deepEqual(node, { name: "n1", addresses: ["192.168.0.1"], podCidrs: ["10.1.0.0/24", "fd00:1::/64"], agent: true });
  t.is(compile(NODE).contents.nodes[0]?.agent, false);
});

test("a pod becomes a workload with normalized addresses, each once", (t) => {
  const status = 'podIP: 10.1.0.5, podIPs: [{ ip: 10.1.0.5 }, { ip: "FD00:1::5" }]';
  const spec = "serviceAccountName: seller";
  t.like(compile(NODE + pod("db-1", status, { spec })).contents.workloads[0], {
    uid: "shop/db-1",
    workload: "db",
    node: "n1",
    addresses: ["10.1.0.5", "fd00:1::5"],
    serviceAccount: "seller",
    mesh: true,
    state: "ready",
  });
});

test("a pod is ready, unready or draining by its conditions and its deletion", (t) => {
  const state = (status: string, metadata = "") => {
    const { contents, unread } = compile(NODE + pod("a", `podIP: 10.1.0.5, ${status}`, { metadata }));
    t.deepEqual(unread, []);
    return contents.workloads[0]?.state;
  };
  t.is(state('conditions: [{ type: Ready, status: "True" }]'), "ready");
  t.is(state('conditions: [{ type: Ready, status: "False" }]'), "unready");
  t.is(state("conditions: []"), "unready");
  t.is(state("phase: Pending"), "unready");
  t.is(state("phase: Running"), "ready");
  t.is(state('conditions: [{ type: Ready, status: "True" }]', ", deletionTimestamp: 2026-01-01T00:00:00Z"), "draining");
});

test("pods without an address, ended pods and pods in the host's network are left out without a word", (t) => {
  const text = [
    pod("a", ""),
    pod("b", "podIP: 10.1.0.6, phase: Succeeded"),
    pod("c", "podIP: 10.1.0.7, phase: Failed"),
    pod("d", "podIP: 192.168.0.1", { spec: "hostNetwork: true" }),
  ].join("");
  const { contents, told } = compile(NODE + text);
  t.deepEqual([contents.workloads, told], [[], []]);
});

test("a pod is outside the mesh by its namespace or its annotation, and the annotation wins", (t) => {
  const mesh = (exclude: string, metadata: string) => {
    const settings = `
apiVersion: hawser.dev/v1
kind: Mesh
metadata: { name: mesh }
spec: { exclude: { namespaces: [${exclude}] } }
---
`;
    return compile(NODE + settings + pod("a", "podIP: 10.1.0.5", { metadata })).contents.workloads[0]?.mesh;
  };
  t.true(mesh("other", ""));
  t.false(mesh("shop", ""));
  t.false(mesh("", ", annotations: { hawser.dev/mesh: disabled }"));
  t.true(mesh("shop", ", annotations: { hawser.dev/mesh: enabled }"));
});

test("a namespace's label goes before the mesh's exclusion, and a pod's annotation before the label", (t) => {
  const mesh = (label: string, metadata = "", namespace = "shop") => {
    const text = `apiVersion: v1
kind: Namespace
metadata: { name: ${namespace}, labels: { ${label} } }
---
${NODE}${pod("a", "podIP: 10.1.0.5", { metadata })}`;
    const { documents } = parseDocuments(text, "test.yaml");
    const agentNodes = new Set<string>();
    return (excludedNamespaces: readonly string[]): boolean | undefined =>
      compileTable({ documents, agentNodes, excludedNamespaces }).contents.workloads[0]?.mesh;
  };
  t.deepEqual([mesh("")([]), mesh("")(["shop"])], [true, false]);
  t.deepEqual([mesh("hawser.dev/mesh: disabled")([]), mesh("hawser.dev/mesh: enabled")(["shop"])], [false, true]);
  t.true(mesh("hawser.dev/mesh: disabled", "", "other")([]));
  t.true(mesh("hawser.dev/mesh: disabled", ", annotations: { hawser.dev/mesh: enabled }")([]));
});

test("excluded namespaces are those of the caller and of the Mesh document", (t) => {
  const { documents } = parseDocuments(
    "{ apiVersion: hawser.dev/v1, kind: Mesh, metadata: { name: mesh }, spec: { exclude: { namespaces: [old] } } }",
    "test.yaml",
  );
  const { contents } = compileTable({ documents, agentNodes: new Set(), excludedNamespaces: ["kube-system"] });
  t.deepEqual(contents.mesh.exclude.namespaces, ["kube-system", "old"]);
});

test("a Service's own words are its locality, its affinity and its internal policy, and a TrafficPolicy's go before", (t) => {
  const entry = (spec: string, policy = "") => {
    const text = `${service("db", `clusterIP: 10.96.0.1, ports: [{ port: 80 }], ${spec}`)}
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: db, namespace: shop }
spec: { targetRef: { kind: Service, name: db }${policy} }
`;
    const { contents, unread } = compile(text);
    t.deepEqual(unread, []);
    const { locality, loadBalancer, internalTrafficPolicy } = contents.services[0] ?? {};
    return [locality, loadBalancer, internalTrafficPolicy];
  };
  t.deepEqual(entry("sessionAffinity: None, internalTrafficPolicy: Cluster"), [undefined, undefined, undefined]);
  t.deepEqual(entry("trafficDistribution: PreferSameNode"), ["prefer-local", undefined, undefined]);
  t.deepEqual(entry("trafficDistribution: PreferClose"), ["prefer-zone", undefined, undefined]);
  const all = "trafficDistribution: PreferSameZone, sessionAffinity: ClientIP, internalTrafficPolicy: Local";
  t.deepEqual(entry(all), ["prefer-zone", "source-hash", "Local"]);
  const policy = ", locality: spread, loadBalancer: { algorithm: random }";
  t.deepEqual(entry(all, policy), ["spread", "random", "Local"]);
});

test("of two pods with one address, the younger one that lives has it, and in a cluster that is no problem", (t) => {
  const made = (name: string, day: number, more = "") =>
    pod(name, "podIP: 10.1.0.5", { metadata: `, creationTimestamp: 2026-01-0${day}T00:00:00Z${more}` });
  const winner = (text: string) => {
    const { documents } = parseDocuments(NODE + text, "test.yaml");
    const { contents, problems } = compileTable({ documents, agentNodes: new Set(), judgement: "each" });
    t.deepEqual(problems, []);
    return contents.workloads.map(({ name }) => name);
  };
  t.deepEqual(winner(made("a", 1) + made("b", 2)), ["b"]);
  t.deepEqual(winner(made("a", 2) + made("b", 1)), ["a"]);
  t.deepEqual(winner(made("a", 1) + made("b", 2, ", deletionTimestamp: 2026-01-03T00:00:00Z")), ["a"]);
  t.is(compile(NODE + made("a", 1) + made("b", 2)).told.length, 1);
});

test("judged each by itself, a pod whose node is not known yet is left out, and what is wrong is told", (t) => {
  const text = `${NODE}${pod("a", "podIP: 10.1.0.5").replace("nodeName: n1", "nodeName: n9")}${pod("b", "podIP: 192.168.0.1")}
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: gone, namespace: shop }
spec: { targetRef: { kind: Service, name: gone } }
`;
  const { documents } = parseDocuments(text, "test.yaml");
  const { contents, problems } = compileTable({ documents, agentNodes: new Set(), judgement: "each" });
  t.deepEqual(contents.workloads, []);
  t.deepEqual(
    problems.map(({ code }) => code),
    ["address-conflict", "missing-target"],
  );
});

test("a node whose kubelet claims an address among another node's pods does not get it, and the pod stays in the mesh", (t) => {
  const liar = `
apiVersion: v1
kind: Node
metadata: { name: n0 }
spec: { podCIDR: 10.2.0.0/24 }
status: { addresses: [{ type: InternalIP, address: 192.168.0.2 }, { type: InternalIP, address: 10.1.0.5 }] }
---
`;
  for (const judgement of ["each", "whole"] as const) {
    const { documents } = parseDocuments(liar + NODE + pod("a", "podIP: 10.1.0.5"), "test.yaml");
    const { contents, problems } = compileTable({ documents, agentNodes: new Set(), judgement });
    t.deepEqual(contents.workloads[0]?.addresses, ["10.1.0.5"]);
    t.deepEqual(contents.nodes[0]?.addresses, ["192.168.0.2"]);
    t.deepEqual(problems.map(formatProblem), [
      "test.yaml:6:96 status.addresses[1].address: expected an address of the node itself, found 10.1.0.5, which is among the pods of Node n1",
    ]);
  }
});

test("a node's zone is its well-known label", (t) => {
  const labelled = NODE.replace("name: n1 }", "name: n1, labels: { topology.kubernetes.io/zone: z1 } }");
  t.is(compile(labelled).contents.nodes[0]?.zone, "z1");
});

test("a Deployment's pods are called by the Deployment when no label says otherwise", (t) => {
  const { contents } = compile(`${NODE}
apiVersion: v1
kind: Pod
metadata: { name: web-6d4cf56db6-x2x9z, labels: { pod-template-hash: 6d4cf56db6 } }
spec: { nodeName: n1, containers: [{ name: main }] }
status: { podIP: 10.1.0.5 }
`);
  t.like(contents.workloads[0], { uid: "default/web-6d4cf56db6-x2x9z", workload: "web" });
});

test("a Service's endpoints are the pods it selects, with named and numbered target ports and weights", (t) => {
  const pods =
    pod("db-1", "podIP: 10.1.0.5", { metadata: ', annotations: { hawser.dev/weight: "7" }' }) +
    pod("db-2", "podIP: 10.1.0.6", { metadata: ", annotations: { hawser.dev/mesh: disabled }" }) +
    pod("web-1", "podIP: 10.1.0.7");
  const ports =
    "ports: [{ name: a, port: 1, targetPort: sql }, { name: b, port: 2 }, { name: c, port: 3, targetPort: none }, { name: d, port: 4, protocol: UDP }]";
  const { contents, told, unread } = compile(
    `${NODE}${pods}${service("db", `clusterIP: 10.96.0.1, selector: { tier: back, app: db }, ${ports}`)}`,
  );
  t.deepEqual([told, unread], [[], []]);
  const key = "shop/db|shop/db-";
  t.deepEqual(contents.endpoints, [
    { key: `${key}1`, service: "shop/db", workload: "shop/db-1", ports: { 1: 13306, 2: 2 }, weight: 7 },
    { key: `${key}2`, service: "shop/db", workload: "shop/db-2", ports: { 1: 13306, 2: 2 }, weight: 100 },
  ]);
  t.is(contents.services[0]?.ports.length, 4);
});

test("a Service without a selector has no endpoints, and a headless one no ClusterIP", (t) => {
  const { contents } = compile(
    NODE + pod("a", "podIP: 10.1.0.5") + service("x", "clusterIP: None, ports: [{ port: 1 }]"),
  );
  t.deepEqual(contents.endpoints, []);
  t.deepEqual(contents.services[0]?.clusterIps, []);
});

const policy = (name: string, target: string, spec: string, namespace = "shop") => `
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  targetRef: { kind: Service, name: ${target} }
  ${spec}
---
`;

test("a TrafficPolicy gives its Service settings on top of the mesh's", (t) => {
  const spec = "locality: spread\n  loadBalancer: { algorithm: random }\n  ejection: { consecutiveFailures: 0 }";
  const { contents, unread } = compile(service("db", "ports: [{ port: 1 }]") + policy("p", "db", spec));
  t.deepEqual(unread, []);
  t.like(contents.services[0], { locality: "spread", loadBalancer: "random" });
  t.deepEqual(contents.services[0]?.ejection, { ...contents.mesh.ejection, consecutiveFailures: 0 });
});

const wrong: [string, string, string[]][] = [
  [
    "a pod on an unknown node",
    NODE + pod("a", "podIP: 10.1.0.5").replace("nodeName: n1", "nodeName: n7"),
    ["test.yaml:16:13 spec.nodeName: expected one of the nodes n1, found node n7"],
  ],
  [
    "two pods with one address",
    NODE + pod("a", "podIP: 10.1.0.5") + pod("b", "podIP: 10.1.0.5"),
    [
      "test.yaml:29:18 status.podIP: expected an address that nobody else has, found address 10.1.0.5 of Pod shop/a (test.yaml:12)",
    ],
  ],
  [
    "a pod with a node's address",
    NODE + pod("a", 'podIPs: [{ ip: "::ffff:192.168.0.1" }]'),
    [
      "test.yaml:19:26 status.podIPs[0].ip: expected an address that nobody else has, found address 192.168.0.1 of Node n1 (test.yaml:2)",
    ],
  ],
  [
    "two Services with one ClusterIP",
    service("a", "clusterIP: 10.96.0.1") + service("b", 'clusterIPs: ["10.96.0.1"]'),
    [
      "test.yaml:11:22 spec.clusterIPs[0]: expected an address that nobody else has, found address 10.96.0.1 of Service shop/a (test.yaml:2)",
    ],
  ],
  [
    "nodes with overlapping pod CIDRs",
    `${NODE}
apiVersion: v1
kind: Node
metadata: { name: n2 }
spec: { podCIDR: 10.1.0.128/25 }
`,
    [
      "test.yaml:15:18 spec.podCIDR: expected a CIDR apart from those of other nodes (test.yaml:2), found 10.1.0.128/25, which 10.1.0.0/24 of Node n1 holds",
    ],
  ],
  [
    "a TrafficPolicy for no Service",
    service("db", "ports: []") + policy("p", "dbx", ""),
    [
      "test.yaml:12:37 spec.targetRef.name: expected one of the Services of namespace shop (db), found Service shop/dbx, which does not exist",
    ],
  ],
  [
    "a TrafficPolicy in another namespace than its Service",
    service("db", "ports: []") + policy("p", "db", "", "other"),
    [
      "test.yaml:12:37 spec.targetRef.name: expected a TrafficPolicy in the namespace of its Service (shop/db), found Service other/db, which does not exist",
    ],
  ],
  [
    "two TrafficPolicies for one Service",
    service("db", "ports: []") + policy("q", "db", "") + policy("p", "db", ""),
    [
      "test.yaml:12:37 spec.targetRef.name: expected one, the first is p (test.yaml:16), found a second TrafficPolicy for Service shop/db",
    ],
  ],
  [
    "two Mesh documents",
    ["a", "b"]
      .map((name) => `apiVersion: hawser.dev/v1\nkind: Mesh\nmetadata: { name: ${name} }\nspec: {}\n---\n`)
      .join(""),
    ["test.yaml:6:1: a second Mesh document, the first is in test.yaml:1"],
  ],
];

for (const [what, text, expected] of wrong) {
  test(`${what} is a problem with its place`, (t) => {
    const { told, unread } = compile(text);
    t.deepEqual(unread, []);
    t.deepEqual(told, expected);
  });
}

test("the same document in two files is a problem", (t) => {
  const files = ["a.yaml", "b.yaml"].map((file) => parseDocuments(NODE, file).documents);
  const { problems, contents } = compileTable({ documents: files.flat(), agentNodes: new Set() });
  t.deepEqual(problems.map(formatProblem), ["b.yaml:2:1: duplicate document, Node n1 is already in a.yaml:2"]);
  t.is(contents.nodes.length, 1);
});

test("a pod that ends gives its address to the living one without a word", (t) => {
  const ending = pod("a", "podIP: 10.1.0.5", { metadata: ", deletionTimestamp: 2026-01-01T00:00:00Z" });
  const { contents, told } = compile(NODE + ending + pod("b", "podIP: 10.1.0.5"));
  t.deepEqual(told, []);
  t.deepEqual(
    contents.workloads.map((workload) => workload.uid),
    ["shop/b"],
  );
});

test("documents in any order give the same contents, which make a table", (t) => {
  const text =
    NODE +
    ["db-1", "db-2", "web-1"].map((name, i) => pod(name, `podIP: 10.1.0.${i + 5}`)).join("") +
    service("db", "clusterIP: 10.96.0.1, selector: { app: db }, ports: [{ port: 1 }]") +
    service("web", "clusterIP: 10.96.0.2, selector: { tier: back }, ports: [{ port: 1 }]") +
    policy("p", "db", "locality: spread");
  const { documents } = parseDocuments(text, "test.yaml");
  const expected = compileTable({ documents, agentNodes: new Set(["n1"]) }).contents;
  t.is(expected.endpoints.length, 5);
  fc.assert(
    fc.property(fc.shuffledSubarray([...documents], { minLength: documents.length }), (shuffled) => {
      const { contents, problems } = compileTable({ documents: shuffled, agentNodes: new Set(["n1"]) });
      t.deepEqual(problems, []);
      t.deepEqual(contents, expected);
      t.deepEqual(new TableState({ epoch: "e", sequence: 1, ...contents }).toSnapshot().workloads, contents.workloads);
    }),
    { numRuns: 50 },
  );
});
