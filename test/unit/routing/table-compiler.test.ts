/** The short way of TableCompiler gives what the long way gives, whatever happens to the documents. */
import test from "ava";
import fc from "fast-check";
import type { Document } from "../../../protocol/documents/document.ts";
import { parseDocuments } from "../../../protocol/documents/parse-documents.ts";
import { formatProblem } from "../../../protocol/documents/problem.ts";
import { compileTable } from "../../../routing/compile.ts";
import { TableCompiler } from "../../../routing/table-compiler.ts";

interface Pod {
  readonly name: string;
  readonly node: string;
  readonly ip: string;
  readonly app: string;
  readonly phase: string;
  readonly deleted: boolean;
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

function service(name: string, selector: string): readonly Document[] {
  return read(`apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { clusterIP: None, selector: { ${selector} }, ports: [{ name: a, port: 80, targetPort: web }, { name: b, port: 81 }] }
`);
}

function pod({ name, node: onNode, ip, app, phase, deleted, weight }: Pod): readonly Document[] {
  return read(`apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: shop
  labels: { app: ${app}, tier: back }
  annotations: { hawser.dev/weight: "${weight}" }
${deleted ? "  deletionTimestamp: 2026-01-31T12:00:00Z" : ""}
spec: { nodeName: ${onNode}, containers: [{ name: main, ports: [{ name: web, containerPort: 8080 }] }] }
status: { podIP: ${ip}, phase: ${phase} }
`);
}

const podArbitrary: fc.Arbitrary<Pod> = fc.record({
  name: fc.constantFrom("p1", "p2", "p3", "p4"),
  // n9 does not exist, most of the time all is well.
  node: fc.constantFrom("n1", "n1", "n1", "n2", "n2", "n9"),
  ip: fc.constantFrom("10.244.1.2", "10.244.1.3", "10.244.1.4", "10.244.1.5", "10.244.1.6", "10.244.1.7", "192.0.2.1"),
  app: fc.constantFrom("a", "b", "none"),
  phase: fc.constantFrom("Running", "Running", "Pending", "Succeeded"),
  deleted: fc.constantFrom(false, false, true),
  weight: fc.constantFrom(100, 50),
});

/** One step: some pods come or change (by name), some go, agents come and go, and now and then something else changes. */
const stepArbitrary = fc.record({
  pods: fc.array(podArbitrary, { maxLength: 3 }),
  gone: fc.subarray(["p1", "p2", "p3", "p4"], { maxLength: 2 }),
  agents: fc.subarray(["n1", "n2"]),
  twice: fc.constantFrom(false, false, false, false, true),
  services: fc.constantFrom(undefined, undefined, undefined, "app: a", "tier: back, app: b"),
});

test("every state compiles to what it compiles to alone", (t) => {
  const nodes = [...node("n1"), ...node("n2")];
  fc.assert(
    fc.property(fc.array(stepArbitrary, { minLength: 1, maxLength: 8 }), (steps) => {
      const compiler = new TableCompiler();
      const pods = new Map<string, readonly Document[]>();
      let services = [
        ...service("s1", "app: a"),
        ...service("s2", "app: b, tier: back"),
        ...service("s3", "tier: back"),
      ];
      for (const step of steps) {
        for (const name of step.gone) pods.delete(name);
        for (const each of step.pods) pods.set(each.name, pod(each));
        if (step.services !== undefined) services = [...service("s1", step.services), ...service("s3", "tier: back")];
        const documents = [...nodes, ...services, ...[...pods.values()].flat()];
        const [first] = [...pods.values()].flat();
        if (step.twice && first !== undefined) documents.push(...[...pods.values()].flat());
        const input = { documents, agentNodes: new Set(step.agents), trustDomain: "cluster.local" };
        t.deepEqual(compiler.compile(input), compileTable(input));
      }
    }),
    { numRuns: 300 },
  );
});

test("entries of pods that did not change stay the same objects", (t) => {
  const base = { node: "n1", app: "a", phase: "Running", deleted: false, weight: 100 };
  const documents = [...node("n1"), ...service("s1", "app: a")];
  const one = pod({ ...base, name: "p1", ip: "10.244.1.2" });
  const compiler = new TableCompiler();
  const agentNodes = new Set(["n1"]);
  const before = compiler.compile({ documents: [...documents, ...one], agentNodes }).contents;
  const two = pod({ ...base, name: "p2", ip: "10.244.1.3" });
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
