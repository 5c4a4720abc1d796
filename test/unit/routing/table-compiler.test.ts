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

interface Node {
  readonly name: string;
  readonly cidr: string;
  readonly ip: string;
}

function node(name: string, { cidr, ip }: Omit<Node, "name"> = usualNode(name)): readonly Document[] {
  return read(`apiVersion: v1
kind: Node
metadata: { name: ${name} }
spec: { podCIDR: ${cidr} }
status: { addresses: [{ type: InternalIP, address: ${ip} }] }
`);
}

function usualNode(name: string): Omit<Node, "name"> {
  return { cidr: `10.244.${name.slice(1)}.0/24`, ip: `192.0.2.${name.slice(1)}` };
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
spec: { ${spec} }
`);
}

function headless(name: string, spec: string): readonly Document[] {
  const ports = "[{ name: a, port: 80, targetPort: web }, { name: b, port: 81 }]";
  return service(name, `clusterIP: None, ${spec}, ports: ${ports}`);
}

/** What requests can be sent to. */
function dialled(name: string, ports: string): readonly Document[] {
  return service(name, `clusterIP: 10.96.0.${name.slice(1)}, selector: { tier: back }, ports: [${ports}]`);
}

function mesh(locality: string): readonly Document[] {
  return read(`apiVersion: hawser.dev/v1
kind: Mesh
metadata: { name: mesh }
spec: { locality: ${locality} }
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
  readonly endpoints: readonly {
    readonly ip: string;
    readonly pod: string;
    readonly conditions: string;
    readonly hints?: string;
  }[];
}

function slice({ name, service: of, ports, endpoints }: Slice): readonly Document[] {
  const ref = (name: string): string => `targetRef: { kind: Pod, namespace: shop, name: ${name} }, `;
  const items = endpoints.map(
    (one) =>
      `{ addresses: [${one.ip}], ${one.pod === "" ? "" : ref(one.pod)}conditions: { ${one.conditions} }${one.hints ?? ""} }`,
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
const SERVICES = ["s1", "s2", "s3", "s4", "s5", "s6"];
const TWICE = ["p1", "e1", "s1", "n1"];
const NODES = ["n1", "n2", "n9"];
const POD_IPS = ["10.244.1.2", "10.244.1.3", "10.244.1.4", "10.244.1.5", "10.244.1.6", "10.244.1.7"];

const podArbitrary: fc.Arbitrary<Pod> = fc.record({
  name: fc.constantFrom(...PODS),
  // n9 is seldom there, most of the time all is well.
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
  // s9 does not exist.
  service: fc.constantFrom("s1", "s4", "s5", "s5", "s9", ""),
  ports: fc.constantFrom(
    "{ name: a, port: 8080 }",
    "{ name: main, port: 8080 }",
    "{ name: a, port: 8080 }, { name: b, port: 9090 }",
    "",
  ),
  endpoints: fc.array(
    fc.record({
      // A node's, nobody's, one that will be a pod's, and a Service's.
      ip: fc.constantFrom(...POD_IPS, "192.0.2.1", "198.51.100.7", "10.244.2.9", "10.244.3.9", "10.96.0.5"),
      pod: fc.constantFrom("", ...PODS),
      conditions: fc.constantFrom("", "ready: true", "ready: false", "ready: false, serving: true, terminating: true"),
      // As long as no policy says which endpoints are preferred.
      hints: fc.constantFrom("", ", hints: { forZones: [{ name: y }] }", ", hints: { forZones: [{ name: z }] }"),
    }),
    { maxLength: 4 },
  ),
});

/** Of one name each time another Service: what routes, policies and slices know is there, or not, or cannot be dialled. */
const serviceArbitrary = fc
  .record({
    name: fc.constantFrom(...SERVICES),
    // That of others too, a pod's and a node's.
    address: fc.constantFrom("None", "10.96.0.5", "10.96.0.5", "10.96.0.6", POD_IPS[0], "192.0.2.1"),
    selector: fc.constantFrom(
      "",
      "selector: { app: a },",
      "selector: { tier: back, app: b },",
      "selector: { tier: back },",
    ),
    ports: fc.constantFrom(
      "{ name: a, port: 80, targetPort: web }, { name: b, port: 81 }",
      "{ name: a, port: 80, appProtocol: https }",
      "{ name: a, port: 80 }, { name: c, port: 83, protocol: UDP }",
    ),
    more: fc.constantFrom("", "", "publishNotReadyAddresses: true,", "trafficDistribution: PreferSameZone,"),
    outside: fc.constantFrom(false, false, false, false, true),
  })
  .map(({ name, address, selector, ports, more, outside }) => {
    const spec = outside ? "type: ExternalName" : `clusterIP: ${address}, ${selector} ${more} ports: [${ports}]`;
    return { name, spec };
  });

const nodeArbitrary: fc.Arbitrary<Node> = fc.record({
  name: fc.constantFrom(...NODES),
  // One that holds all others, and addresses that are others', or among the pods of others.
  cidr: fc.constantFrom("10.244.1.0/24", "10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24", "10.244.0.0/16"),
  ip: fc.constantFrom("192.0.2.1", "192.0.2.2", "10.244.1.9", "10.244.2.9", "10.96.0.5"),
});

function seldom<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 15, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

/**
 * One step: some pods, slices, Services, Nodes and attachments come or change (by name), some go, agents come and go. Now and
 * then something makes everything be compiled: seldom, as most steps are to go the short way.
 */
const stepArbitrary = fc.record({
  pods: fc.array(podArbitrary, { maxLength: 3 }),
  slices: fc.array(sliceArbitrary, { maxLength: 2 }),
  services: fc.array(serviceArbitrary, { maxLength: 1 }),
  nodes: fc.array(nodeArbitrary, { maxLength: 1 }),
  gone: fc.subarray([...PODS, ...SLICES, ...SERVICES], { maxLength: 3 }),
  left: fc.subarray(NODES, { maxLength: 1 }),
  agents: fc.subarray(NODES),
  twice: seldom(fc.constant(true)),
  namespace: fc.constantFrom("same", "same", "none", "", "hawser.dev/mesh: enabled", "hawser.dev/mesh: disabled"),
  mesh: seldom(fc.constantFrom("spread", "prefer-zone")),
  attached: fc.array(attachmentArbitrary, { maxLength: 3 }),
  detached: fc.array(fc.nat(), { maxLength: 2 }),
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
        for (const name of ["n1", "n2"]) named.set(name, node(name));
        named.set("s1", headless("s1", "selector: { app: a }"));
        named.set("s2", headless("s2", "selector: { app: b, tier: back }, publishNotReadyAddresses: true"));
        named.set("s3", headless("s3", "selector: { tier: back }"));
        named.set("s4", headless("s4", "trafficDistribution: PreferSameZone"));
        named.set("s5", dialled("s5", "{ name: main, port: 80 }, { name: more, port: 81, appProtocol: http }"));
        named.set("s6", dialled("s6", "{ port: 80 }"));
        const attached = new Map<string, readonly Document[]>();
        for (const step of steps) {
          for (const name of [...step.gone, ...step.left]) named.delete(name);
          for (const each of step.pods) named.set(each.name, pod(each));
          for (const each of step.slices) named.set(each.name, slice(each));
          if (step.namespace === "none") named.delete("namespace");
          else if (step.namespace !== "same") named.set("namespace", namespace(step.namespace));
          for (const { name, spec } of step.services) named.set(name, service(name, spec));
          for (const { name, ...about } of step.nodes) named.set(name, node(name, about));
          if (step.mesh !== undefined) named.set("mesh", mesh(step.mesh));
          for (const number of step.detached) attached.delete([...attached.keys()][number % attached.size] ?? "");
          for (const { name, text } of step.attached) attached.set(name, read(text));
          const documents = [...named.values(), ...attached.values()].flat();
          if (step.twice === true) for (const name of TWICE) documents.push(...(named.get(name) ?? []));
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
  const documents = [...node("n1"), ...headless("s1", "selector: { app: a }")];
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
    ...headless("s1", "selector: { app: a }"),
    ...headless("s2", "selector: { app: a }"),
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
  const fixed = [...node("n1"), ...dialled("s1", "{ port: 80 }")];
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

/** To s6. */
function route(name: string, weight: number): readonly Document[] {
  return read(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: of-${name}, namespace: shop }
spec: { parentRefs: [{ group: "", kind: Service, name: ${name} }], rules: [{ backendRefs: [{ name: s6, port: 80, weight: ${weight} }] }] }
`);
}

test("a route leaves all other routes the same objects, a policy of a Service all other Services", (t) => {
  const documents = [...node("n1"), ...dialled("s5", "{ port: 80 }"), ...dialled("s6", "{ port: 80 }")];
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

test("a Service or a Node that comes and goes leaves what is no matter of it the same objects", (t) => {
  const fixed = [
    ...node("n1"),
    ...headless("s1", "selector: { app: a }"),
    ...dialled("s6", "{ port: 80 }"),
    ...route("s6", 1),
    ...pod(POD),
    ...pod({ ...POD, name: "p2", ip: "10.244.1.3", app: "b" }),
    ...pod({ ...POD, name: "p3", ip: "10.244.2.2", node: "n2" }),
  ];
  const compiler = new TableCompiler();
  const compile = (...changing: Document[]) =>
    compiler.compile({ documents: [...fixed, ...changing], agentNodes: new Set(), judgement: "each" }).contents;
  const before = compile();
  const served = compile(...headless("s2", "selector: { app: b }"));
  t.deepEqual(
    served.endpoints.map(({ key }) => key),
    ["shop/s1|shop/p1", "shop/s2|shop/p2", "shop/s6|shop/p1", "shop/s6|shop/p2"],
  );
  t.is(served.endpoints[0], before.endpoints[0]);
  t.is(served.workloads[0], before.workloads[0]);
  t.is(served.services[0], before.services[0]);
  t.is(served.routes[0], before.routes[0]);
  t.is(before.routes.length, 1);
  const left = compile();
  t.deepEqual(left, before);
  const joined = compile(...node("n2"));
  t.deepEqual(
    joined.workloads.map(({ name }) => name),
    ["p1", "p2", "p3"],
  );
  t.is(joined.workloads[0], before.workloads[0]);
  t.is(joined.services, left.services);
  t.deepEqual(compile(), before);
});

test("an address that nobody has is an endpoint outside while it is in no Node's network, with hints while no policy says better", (t) => {
  const hinted = { ip: "10.244.2.9", pod: "", conditions: "", hints: ", hints: { forZones: [{ name: z }] }" };
  const fixed = [
    ...headless("s4", "trafficDistribution: PreferSameZone"),
    ...slice({ name: "e1", service: "s4", ports: "{ name: a, port: 8080 }", endpoints: [hinted] }),
  ];
  const compiler = new TableCompiler();
  const endpoints = (...changing: Document[]) =>
    compiler
      .compile({ documents: [...fixed, ...changing], agentNodes: new Set() })
      .contents.endpoints.map(({ key, forZones }) => [key, forZones]);
  const outside = "shop/s4|10.244.2.9:8080";
  t.deepEqual(endpoints(), [[outside, ["z"]]]);
  t.deepEqual(endpoints(...policy("s4")), [[outside, undefined]]);
  t.deepEqual(endpoints(...node("n2")), []);
  t.deepEqual(endpoints(), [[outside, ["z"]]]);
});
