/** `Namespace`: shaped like core/v1. Its label `hawser.dev/mesh` takes the pods in it into the mesh or out of it. */
import { z } from "zod";
import { labelName, labels } from "./scalar-schemas.ts";
import { clusterMetadata } from "./metadata-schema.ts";

const MESH = '"enabled" or "disabled"';

export const namespaceDocumentSchema = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Namespace"),
  metadata: clusterMetadata.extend({
    name: labelName,
    labels: labels
      .and(z.object({ "hawser.dev/mesh": z.enum(["enabled", "disabled"], { error: MESH }).optional() }))
      .default({}),
  }),
});
