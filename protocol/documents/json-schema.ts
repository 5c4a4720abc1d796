/** JSON Schema of the documents, so that an editor completes and checks them while they are written. */
import { z } from "zod";
import { DOCUMENT_SCHEMAS, type DocumentKind } from "./document.ts";

export type JsonSchema = z.core.JSONSchema.JSONSchema;

const KINDS = Object.keys(DOCUMENT_SCHEMAS) as DocumentKind[];

/** What may be written in a document of each kind (before defaults and conversions). */
export const KIND_JSON_SCHEMAS: { readonly [K in DocumentKind]: JsonSchema } = {
  Namespace: written("Namespace"),
  Node: written("Node"),
  Pod: written("Pod"),
  Service: written("Service"),
  EndpointSlice: written("EndpointSlice"),
  Mesh: written("Mesh"),
  TrafficPolicy: written("TrafficPolicy"),
  RequestMatch: written("RequestMatch"),
  Subset: written("Subset"),
  HTTPRoute: written("HTTPRoute"),
  GRPCRoute: written("GRPCRoute"),
  ReferenceGrant: written("ReferenceGrant"),
};

/** One schema for any document. */
export function documentJsonSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A document of Hawser",
    oneOf: KINDS.map((kind) => {
      const { $schema: _, ...schema } = KIND_JSON_SCHEMAS[kind];
      return { title: kind, ...schema };
    }),
  };
}

function written(kind: DocumentKind): JsonSchema {
  return z.toJSONSchema(DOCUMENT_SCHEMAS[kind], { io: "input" });
}
