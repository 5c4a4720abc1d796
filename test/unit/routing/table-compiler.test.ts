/** The short way of TableCompiler gives what the long way gives, whatever happens to the documents. */
import test from "ava";
import fc from "fast-check";
import type { Document } from "../../../protocol/documents/document.ts";
import { parseDocuments } from "../../../protocol/documents/parse-documents.ts";
import { formatProblem } from "../../../protocol/documents/problem.ts";
import { attachmentArbitrary } from "./attachments-arbitrary.ts";
import { compileTable } from "../../../routing/compile.ts";
import { TableCompiler } from "../../../routing/table-compiler.ts";

interface Pod {
  readonly name: string;
  readonly node: string;
  readonly ip: string;
  readonly app: string;
  readonly phase: string;
  readonly deleted: boolean;
  readonly created: number;
  readonly weight: number;
}

function read(text: string): readonly Document[] {
  const { documents, problems } = parseDocuments(text, "test.yaml");
  if (problems.length > 0) throw new Error(problems.map(formatProblem).join("\n"));
  return documents;
}

function node(name: string): readonly Document[] {
  return read(`apiVersion: v1
kind: Node
metadata: { name: ${name} }
spec: { podCIDR: 10.244.${name.slice(1)}.0/24 }
status: { addresses: [{ type: InternalIP, address: 192.0.2.${name.slice(1)} }] }
`);
}

function namespace(label: string): readonly Document[] {
  return read(`apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { ${label} } }
`);
}

function service(name: string, spec: string): readonly Document[] {
  return read(`apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { clusterIP: None, ${spec}, ports: [{ name: a, port: 80, targetPort: web }, { name: b, port: 81 }] }
`);
}

/** What requests can be sent to. */
function dialled(name: string, spec: string): readonly Document[] {
  return read(`apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { clusterIP: 10.96.0.${name.slice(1)}, selector: { tier: back }, ${spec} }
`);
}

function pod({ name, node: onNode, ip, app, phase, deleted, created, weight }: Pod): readonly Document[] {
  return read(`apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: shop
  labels: { app: ${app}, tier: back }
  annotations: { hawser.dev/weight: "${weight}" }
  creationTimestamp: 2026-01-0${created}T12:00:00Z
${deleted ? "  deletionTimestamp: 2026-01-31T12:00:00Z" : ""}
spec: { nodeName: ${onNode}, containers: [{ name: main, ports: [{ name: web, containerPort: 8080 }] }] }
status: { podIP: ${ip}, phase: ${phase} }
`);
}

interface Slice {
  readonly name: string;
  readonly service: string;
  readonly ports: string;
  readonly endpoints: readonly { readonly ip: string; readonly pod: string; readonly conditions: string }[];
}

function slice({ name, service: of, ports, endpoints }: Slice): readonly Document[] {
  const ref = (name: string): string => `targetRef: { kind: Pod, namespace: shop, name: ${name} }, `;
  const items = endpoints.map(
    (one) => `{ addresses: [${one.ip}], ${one.pod === "" ? "" : ref(one.pod)}conditions: { ${one.conditions} } }`,
  );
  return read(`apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: shop, labels: { ${of === "" ? "" : `kubernetes.io/service-name: ${of}`} } }
addressType: IPv4
ports: [${ports}]
endpoints: [${items.join(", ")}]
`);
}

const PODS = ["p1", "p2", "p3", "p4"];
const SLICES = ["e1", "e2", "e3"];
const POD_IPS = ["10.244.1.2", "10.244.1.3", "10.244.1.4", "10.244.1.5", "10.244.1.6", "10.244.1.7"];

const podArbitrary: fc.Arbitrary<Pod> = fc.record({
  name: fc.constantFrom(...PODS),
  // n9 does not exist, most of the time all is well.
  node: fc.constantFrom("n1", "n1", "n1", "n2", "n2", "n9"),
  ip: fc.constantFrom(...POD_IPS, "192.0.2.1"),
  app: fc.constantFrom("a", "b", "none"),
  phase: fc.constantFrom("Running", "Running", "Pending", "Succeeded"),
  deleted: fc.constantFrom(false, false, true),
  created: fc.constantFrom(1, 2),
  weight: fc.constantFrom(100, 50),
});

const sliceArbitrary: fc.Arbitrary<Slice> = fc.record({
  name: fc.constantFrom(...SLICES),
  // s4 has no selector, s9 does not exist.
  service: fc.constantFrom("s1", "s1", "s2", "s4", "s4", "s9", ""),
  ports: fc.constantFrom("{ name: a, port: 8080 }", "{ name: a, port: 8080 }, { name: b, port: 9090 }", ""),
  endpoints: fc.array(
    fc.record({
      // A node's, nobody's, and one that will be a pod's.
      ip: fc.constantFrom(...POD_IPS, "192.0.2.1", "198.51.100.7", "10.244.2.9"),
      pod: fc.constantFrom("", ...PODS),
      conditions: fc.constantFrom("", "ready: true", "ready: false", "ready: false, serving: true, terminating: true"),
    }),
    { maxLength: 4 },
  ),
});

/** These make everything be compiled: most steps are to go the short way. */
function seldom<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 15, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

/**
 * One step: some pods, slices and attachments come or change (by name), some go, agents come and go, and now and then
 * something else changes.
 */
const stepArbitrary = fc.record({
  pods: fc.array(podArbitrary, { maxLength: 3 }),
  slices: fc.array(sliceArbitrary, { maxLength: 2 }),
  gone: fc.subarray([...PODS, ...SLICES], { maxLength: 3 }),
  agents: fc.subarray(["n1", "n2"]),
  twice: seldom(fc.constant(true)),
  namespace: fc.constantFrom("same", "same", "none", "", "hawser.dev/mesh: enabled", "hawser.dev/mesh: disabled"),
  selector: seldom(fc.constantFrom("app: a", "tier: back, app: b")),
  nodes: seldom(fc.constantFrom(["n1"], ["n1", "n2"])),
  attached: fc.array(attachmentArbitrary, { maxLength: 3 }),
  detached: fc.array(fc.nat(), { maxLength: 2 }),
  dialled: seldom(fc.constantFrom("ports: [{ port: 80 }]", "ports: [{ port: 80, appProtocol: https }]")),
});

function policy(target: string): readonly Document[] {
  return read(`apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: policy, namespace: shop }
spec: { targetRef: { kind: Service, name: ${target} }, locality: spread }
`);
}

for (const judgement of ["whole", "each"] as const) {
  test(`every state compiles to what it compiles to alone, judged ${judgement}`, (t) => {
    fc.assert(
      fc.property(fc.array(stepArbitrary, { minLength: 1, maxLength: 10 }), (steps) => {
        const compiler = new TableCompiler();
        const named = new Map<string, readonly Document[]>();
        named.set("nodes", [...node("n1"), ...node("n2")]);
        named.set("s1", service("s1", "selector: { app: a }"));
        named.set("s2", service("s2", "selector: { app: b, tier: back }, publishNotReadyAddresses: true"));
        named.set("s3", service("s3", "selector: { tier: back }"));
        named.set("s4", service("s4", "trafficDistribution: PreferSameZone"));
        named.set(
          "s5",
          dialled("s5", "ports: [{ name: main, port: 80 }, { name: more, port: 81, appProtocol: http }]"),
        );
        named.set("s6", dialled("s6", "ports: [{ port: 80 }]"));
        const attached = new Map<string, readonly Document[]>();
        for (const step of steps) {
          for (const name of step.gone) named.delete(name);
          for (const each of step.pods) named.set(each.name, pod(each));
          for (const each of step.slices) named.set(each.name, slice(each));
          if (step.namespace === "none") named.delete("namespace");
          else if (step.namespace !== "same") named.set("namespace", namespace(step.namespace));
          if (step.selector !== undefined) named.set("s1", service("s1", `selector: { ${step.selector} }`));
          if (step.nodes !== undefined) named.set("nodes", step.nodes.flatMap(node));
          if (step.dialled !== undefined) named.set("s6", dialled("s6", step.dialled));
          for (const number of step.detached) attached.delete([...attached.keys()][number % attached.size] ?? "");
          for (const { name, text } of step.attached) attached.set(name, read(text));
          const documents = [...named.values(), ...attached.values()].flat();
          if (step.twice === true) for (const name of [...PODS, ...SLICES]) documents.push(...(named.get(name) ?? []));
          const agentNodes = new Set(step.agents);
          const input = { documents, agentNodes, trustDomain: "cluster.local", judgement };
          t.deepEqual(compiler.compile(input), compileTable(input));
        }
      }),
      { numRuns: 40 },
    );
  });
}

const POD: Pod = {
  name: "p1",
  node: "n1",
  ip: "10.244.1.2",
  app: "a",
  phase: "Running",
  deleted: false,
  created: 1,
  weight: 100,
};

test("entries of pods that did not change stay the same objects", (t) => {
  const documents = [...node("n1"), ...service("s1", "selector: { app: a }")];
  const one = pod(POD);
  const compiler = new TableCompiler();
  const agentNodes = new Set(["n1"]);
  const before = compiler.compile({ documents: [...documents, ...one], agentNodes }).contents;
  const two = pod({ ...POD, name: "p2", ip: "10.244.1.3" });
  const after = compiler.compile({ documents: [...documents, ...two, ...one], agentNodes }).contents;
  t.is(after.nodes, before.nodes);
  t.is(after.services, before.services);
  t.is(after.workloads[0], before.workloads[0]);
  t.is(after.endpoints[0], before.endpoints[0]);
  t.deepEqual(
    after.workloads.map(({ name }) => name),
    ["p1", "p2"],
  );
});

test("a slice of one Service leaves the entries of all others the same objects, also beside problems that stay", (t) => {
  const documents = [
    ...node("n1"),
    ...service("s1", "selector: { app: a }"),
    ...service("s2", "selector: { app: a }"),
    ...policy("gone"),
    ...pod(POD),
    ...slice({
      name: "e2",
      service: "s2",
      ports: "{ name: a, port: 8080 }",
      endpoints: [{ ip: POD.ip, pod: "p1", conditions: "" }],
    }),
  ];
  const of = (conditions: string): readonly Document[] =>
    slice({
      name: "e1",
      service: "s1",
      ports: "{ name: a, port: 8080 }",
      endpoints: [{ ip: POD.ip, pod: "p1", conditions }],
    });
  const compiler = new TableCompiler();
  const compile = (conditions: string) =>
    compiler.compile({ documents: [...documents, ...of(conditions)], agentNodes: new Set(), judgement: "each" });
  const before = compile("ready: true");
  const after = compile("ready: false");
  t.is(after.contents.workloads, before.contents.workloads);
  t.is(after.contents.endpoints[1], before.contents.endpoints[1]);
  t.deepEqual(
    after.contents.endpoints.map(({ key, state }) => [key, state]),
    [
      ["shop/s1|shop/p1", "unready"],
      ["shop/s2|shop/p1", undefined],
    ],
  );
  t.deepEqual([before.problems.length, after.problems.length], [1, 1]);
});

test("routes stay the same objects when pods change, and change with their documents", (t) => {
  const route = (weight: number): readonly Document[] =>
    read(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: s1 }]
  rules: [{ backendRefs: [{ name: s1, port: 80, weight: ${weight} }] }]
`);
  const dialled = read(`
apiVersion: v1
kind: Service
metadata: { name: s1, namespace: shop }
spec: { clusterIP: 10.96.0.1, selector: { app: a }, ports: [{ port: 80 }] }
`);
  const fixed = [...node("n1"), ...dialled];
  const compiler = new TableCompiler();
  const compile = (documents: readonly Document[]) =>
    compiler.compile({ documents: [...fixed, ...documents], agentNodes: new Set() });
  const half = route(50);
  const before = compile(half);
  t.deepEqual(before.problems, []);
  t.deepEqual(
    before.contents.routes.map(({ key }) => key),
    ["shop/s1:80"],
  );
  t.is(compile([...half, ...pod(POD)]).contents.routes, before.contents.routes);
  const after = compile([...route(60), ...pod(POD)]).contents;
  t.is(after.routes[0]?.rules[0]?.backends[0]?.weight, 60);
  t.deepEqual(compile(pod(POD)).contents.routes, []);
});

test("a route leaves all other routes the same objects, a policy of a Service all other Services", (t) => {
  const documents = [
    ...node("n1"),
    ...dialled("s5", "ports: [{ port: 80 }]"),
    ...dialled("s6", "ports: [{ port: 80 }]"),
  ];
  const route = (name: string, weight: number): readonly Document[] =>
    read(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: of-${name}, namespace: shop }
spec: { parentRefs: [{ group: "", kind: Service, name: ${name} }], rules: [{ backendRefs: [{ name: s6, port: 80, weight: ${weight} }] }] }
`);
  const other = route("s6", 1);
  const compiler = new TableCompiler();
  const compile = (changing: readonly Document[]) =>
    compiler.compile({ documents: [...documents, ...other, ...changing], agentNodes: new Set() }).contents;
  const before = compile(route("s5", 1));
  const routed = compile(route("s5", 2));
  t.is(routed.services, before.services);
  t.is(routed.routes[0]?.rules[0]?.backends[0]?.weight, 2);
  t.is(routed.routes[1], before.routes[1]);
  const placed = compile([...route("s5", 2), ...policy("s5")]);
  t.is(placed.services[0]?.locality, "spread");
  t.is(placed.services[1], before.services[1]);
  t.is(placed.routes[1], before.routes[1]);
});
