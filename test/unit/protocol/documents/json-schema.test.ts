import test from "ava";
import { documentJsonSchema } from "../../../../protocol/documents/json-schema.ts";

test("the JSON Schema knows every kind, its keys and what may be written", (t) => {
  const schema = JSON.parse(JSON.stringify(documentJsonSchema()));
  const kinds = Object.fromEntries(schema.oneOf.map((kind: { title: string }) => [kind.title, kind]));
  const core = ["Namespace", "Node", "Pod", "Service", "EndpointSlice"];
  t.deepEqual(Object.keys(kinds), [
    ...core,
    "Mesh",
    "TrafficPolicy",
    "RequestMatch",
    "Subset",
    "HTTPRoute",
    "GRPCRoute",
    "ReferenceGrant",
  ]);
  const { spec } = kinds.Mesh.properties;
  t.false(spec.additionalProperties);
  t.deepEqual(spec.properties.encryption.enum, ["strict", "permissive"]);
  t.is(spec.properties.ejection.properties.baseEjection.type, "string", "as it is written, not as it is read");
  t.is(kinds.Service.properties.spec.properties.ports.items.properties.port.maximum, 65535);
  t.deepEqual(kinds.Service.required, ["apiVersion", "kind", "metadata", "spec"]);
});
