/** What EndpointSlices say of a Service's endpoints, as Kubernetes means it. */
import test from "ava";
import { parseDocuments } from "../../../protocol/documents/parse-documents.ts";
import { formatProblem } from "../../../protocol/documents/problem.ts";
import { compileTable } from "../../../routing/compile.ts";
import { TableState } from "../../../routing/table-state.ts";

const NODE = `
apiVersion: v1
kind: Node
metadata: { name: n1, labels: { topology.kubernetes.io/zone: z1 } }
spec: { podCIDRs: [10.1.0.0/24, "fd00:1::/64"] }
status: { addresses: [{ type: InternalIP, address: 192.168.0.1 }] }
---
`;

const pod = (name: string, ips: string, metadata = "", spec = "") => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: db }${metadata} }
spec: { nodeName: n1, containers: [{ name: main }]${spec} }
status: { podIPs: [${ips
  .split(" ")
  .map((ip) => `{ ip: "${ip}" }`)
  .join(", ")}] }
---
`;

const PORTS = "[{ name: sql, port: 3306, targetPort: sql }, { name: web, port: 80 }]";

const service = (spec = "selector: { app: db }", ports = PORTS) => `
apiVersion: v1
kind: Service
metadata: { name: db, namespace: shop }
spec: { clusterIP: 10.96.0.1, ports: ${ports}, ${spec} }
---
`;

const slice = (name: string, endpoints: string, fields: { ports?: string; type?: string; service?: string } = {}) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: shop, labels: { kubernetes.io/service-name: ${fields.service ?? "db"} } }
addressType: ${fields.type ?? "IPv4"}
ports: ${fields.ports ?? "[{ name: sql, port: 13306 }]"}
endpoints: ${endpoints}
---
`;

const ref = (name: string): string => `targetRef: { kind: Pod, namespace: shop, name: ${name} }`;

function endpoints(...texts: readonly string[]) {
  const { documents, problems } = parseDocuments(texts.join(""), "test.yaml");
  const { contents, problems: told } = compileTable({ documents, agentNodes: new Set(), judgement: "each" });
  if (problems.length + told.length > 0) throw new Error([...problems, ...told].map(formatProblem).join("\n"));
  // Throws where the entries do not make a table.
  return new TableState({ epoch: "e", sequence: 1, ...contents }).toSnapshot().endpoints;
}

test("with a slice, the selector no longer counts, and ports go by their names", (t) => {
  const pods = pod("db-1", "10.1.0.5") + pod("db-2", "10.1.0.6");
  t.deepEqual(
    endpoints(NODE, service(), pods).map(({ key }) => key),
    ["shop/db|shop/db-1", "shop/db|shop/db-2"],
  );
  const ports = "[{ name: sql, port: 13306 }, { name: web, port: 80, protocol: UDP }, { name: other, port: 1 }]";
  t.deepEqual(endpoints(NODE, service(), pods, slice("a", `[{ addresses: [10.1.0.6], ${ref("db-2")} }]`, { ports })), [
    { key: "shop/db|shop/db-2", service: "shop/db", workload: "shop/db-2", ports: { 3306: 13306 }, weight: 100 },
  ]);
  t.deepEqual(endpoints(NODE, service(), pods, slice("a", "[]")), []);
  t.is(endpoints(NODE, service(), pods, slice("a", "[]", { service: "other" })).length, 2);
});

test("an unnamed port of the Service is the unnamed port of the slice", (t) => {
  const text = slice("a", `[{ addresses: [10.1.0.5], ${ref("db-1")} }]`, { ports: "[{ port: 8080 }]" });
  const [endpoint] = endpoints(NODE, service(undefined, "[{ port: 80 }]"), pod("db-1", "10.1.0.5"), text);
  t.deepEqual(endpoint?.ports, { 80: 8080 });
});

test("a pod in slices of both families, or in two of one, is one endpoint with all its ports", (t) => {
  const six = slice("six", `[{ addresses: ["fd00:1::5"], ${ref("db-1")} }]`, { type: "IPv6" });
  const four = slice("four", `[{ addresses: [10.1.0.5], ${ref("db-1")} }]`);
  const more = slice("more", `[{ addresses: [10.1.0.5], ${ref("db-1")}, conditions: { ready: false } }]`, {
    ports: "[{ name: sql, port: 9999 }, { name: web, port: 8080 }]",
  });
  t.deepEqual(endpoints(NODE, service(), pod("db-1", "10.1.0.5 fd00:1::5"), six, four, more), [
    {
      key: "shop/db|shop/db-1",
      service: "shop/db",
      workload: "shop/db-1",
      ports: { 80: 8080, 3306: 13306 },
      weight: 100,
    },
  ]);
});

const READY_POD = pod("db-1", "10.1.0.5");
const ENDING = ", deletionTimestamp: 2026-01-01T00:00:00Z";

for (const [conditions, expected, metadata, spec] of [
  ["", "ready"],
  ["ready: true", "ready"],
  ["ready: false", "unready"],
  ["ready: false, serving: true, terminating: true", "draining"],
  ["ready: false, serving: false, terminating: true", "unready"],
  // Of itself, the slice does not know yet.
  ["ready: true", "draining", ENDING],
  ["ready: false, serving: false", "unready", ENDING],
  ["ready: true, terminating: true", "ready", ENDING, "publishNotReadyAddresses: true"],
] as const) {
  const what = [conditions, metadata === undefined ? "" : "the pod ends", spec ?? ""].filter((part) => part !== "");
  test(`an endpoint with ${what.join(", ") || "no conditions"} is ${expected}`, (t) => {
    const text = slice("a", `[{ addresses: [10.1.0.5], ${ref("db-1")}, conditions: { ${conditions} } }]`);
    const [endpoint] = endpoints(NODE, service(spec), pod("db-1", "10.1.0.5", metadata), text);
    const usual = metadata === undefined ? "ready" : "draining";
    t.is(endpoint?.state ?? usual, expected);
    t.is(endpoint?.state === undefined, expected === usual);
  });
}

test("a slice that has not heard of its pod's end, or of another pod with its address, names nobody", (t) => {
  const text = slice("a", `[{ addresses: [10.1.0.5], ${ref("db-1")} }]`);
  t.deepEqual(endpoints(NODE, service(), pod("db-2", "10.1.0.5"), text), []);
  // Not known yet: among the pods' addresses, and not to be taken for something outside.
  t.deepEqual(endpoints(NODE, service(), text), []);
  t.deepEqual(endpoints(NODE, service(), slice("a", `[{ addresses: [10.9.0.5], ${ref("db-1")} }]`)), []);
  t.deepEqual(endpoints(NODE, service(), slice("a", "[{ addresses: [10.1.0.5] }]")), []);
});

test("an endpoint without a pod's name is the pod that has its address", (t) => {
  const [endpoint] = endpoints(NODE, service("type: ClusterIP"), READY_POD, slice("a", "[{ addresses: [10.1.0.5] }]"));
  t.is(endpoint?.workload, "shop/db-1");
});

test("addresses outside the pods are endpoints of their own, one per port", (t) => {
  const hostPod = pod("db-1", "192.168.0.1", "", ", hostNetwork: true");
  const ports = "[{ name: sql, port: 3306 }, { name: web, port: 3306 }]";
  const text = [
    slice("a", `[{ addresses: [192.168.0.1], ${ref("db-1")}, nodeName: n1 }]`),
    slice(
      "b",
      "[{ addresses: [198.51.100.7], zone: z2 }, { addresses: [198.51.100.8], conditions: { ready: false } }]",
      {
        ports,
      },
    ),
    // The same once more.
    slice("c", "[{ addresses: [198.51.100.7] }]"),
  ];
  const outside = { service: "shop/db", weight: 100 };
  t.deepEqual(endpoints(NODE, service(), hostPod, ...text), [
    { ...outside, key: "shop/db|192.168.0.1:13306", address: "192.168.0.1", node: "n1", ports: { 3306: 13306 } },
    { ...outside, key: "shop/db|198.51.100.7:13306", address: "198.51.100.7", ports: { 3306: 13306 } },
    {
      ...outside,
      key: "shop/db|198.51.100.7:3306",
      address: "198.51.100.7",
      zone: "z2",
      ports: { 80: 3306, 3306: 3306 },
    },
    {
      ...outside,
      key: "shop/db|198.51.100.8:3306",
      address: "198.51.100.8",
      ports: { 80: 3306, 3306: 3306 },
      state: "unready",
    },
  ]);
});

test("a Service's own address is no endpoint", (t) => {
  t.deepEqual(endpoints(NODE, service(), slice("a", "[{ addresses: [10.96.0.1] }]")), []);
});

test("hints are kept, unless a TrafficPolicy says which endpoints are preferred", (t) => {
  const hints = "hints: { forZones: [{ name: z1 }], forNodes: [{ name: n1 }] }";
  const text = slice("a", `[{ addresses: [10.1.0.5], ${ref("db-1")}, ${hints} }]`);
  const policy = (spec: string): string => `
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: db, namespace: shop }
spec: { targetRef: { kind: Service, name: db }, ${spec} }
`;
  const hintsOf = (...more: string[]) => {
    const [endpoint] = endpoints(NODE, service(), READY_POD, text, ...more);
    return [endpoint?.forZones, endpoint?.forNodes];
  };
  t.deepEqual(hintsOf(), [["z1"], ["n1"]]);
  t.deepEqual(hintsOf(policy("loadBalancer: { algorithm: random }")), [["z1"], ["n1"]]);
  t.deepEqual(hintsOf(policy("locality: spread")), [undefined, undefined]);
});

test("an ExternalName has no entry and no endpoints, whatever slices say", (t) => {
  const { documents } = parseDocuments(
    NODE + READY_POD + service("type: ExternalName, selector: { app: db }") + slice("a", "[{ addresses: [10.1.0.5] }]"),
    "test.yaml",
  );
  const { contents } = compileTable({ documents, agentNodes: new Set() });
  t.deepEqual([contents.services, contents.endpoints], [[], []]);
});

test("without slices, publishNotReadyAddresses counts every pod as ready", (t) => {
  const spec = "selector: { app: db }, publishNotReadyAddresses: true";
  const [endpoint] = endpoints(NODE, service(spec), pod("db-1", "10.1.0.5", ENDING));
  t.is(endpoint?.state, "ready");
  t.is(endpoints(NODE, service(), pod("db-1", "10.1.0.5", ENDING))[0]?.state, undefined);
});
