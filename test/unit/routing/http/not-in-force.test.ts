import test from "ava";
import { parseDocuments } from "../../../../protocol/documents/parse-documents.ts";
import { compileTable } from "../../../../routing/compile.ts";
import { route, service } from "./request-world.ts";

function told(text: string): readonly string[] {
  const { documents, problems } = parseDocuments(text, "test.yaml");
  const result = compileTable({ documents, agentNodes: new Set() });
  return [...problems, ...result.problems].map(({ code, path, found }) => `${code} ${path}: ${found}`);
}

const policy = (spec: string) => `
apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata: { name: p, namespace: shop }
spec: { ${spec} }
`;

test("a controller tells of what it would not do: routes of Services", (t) => {
  t.deepEqual(told(service("catalog") + route("")), ["not-supported kind: HTTPRoute shop/catalog"]);
  t.deepEqual(told(service("catalog") + route("", "calls", "GRPCRoute")), ["not-supported kind: GRPCRoute shop/calls"]);
  const gateway = route("").replace('{ group: "", kind: Service, name: catalog }', "{ name: edge }");
  t.deepEqual(told(service("catalog") + gateway), [], "what is not for the mesh is no matter of it");
});

test("a controller tells of what it would not do: what policies say of requests", (t) => {
  t.deepEqual(
    told(service("catalog") + policy("targetRef: { kind: Service, name: catalog }, timeouts: { request: 1s }")),
    ["not-supported spec.timeouts: timeouts of TrafficPolicy shop/p"],
  );
  const target = "targetRef: { group: gateway.networking.k8s.io, kind: HTTPRoute, name: catalog }";
  t.deepEqual(told(service("catalog") + policy(`${target}, retries: {}`)), [
    "not-supported spec.targetRef.kind: targetRef.kind of TrafficPolicy shop/p",
  ]);
  t.deepEqual(told(service("catalog") + policy("targetRef: { kind: Service, name: catalog }, locality: spread")), []);
});
