/** `ReferenceGrant` of the Gateway API: its namespace lets routes of other namespaces use Services in it. */
import { z } from "zod";
import { namespacedMetadata } from "../metadata-schema.ts";
import { labelName } from "../scalar-schemas.ts";
import { apiGroup, apiKind, objectName } from "./reference-schemas.ts";

export const referenceGrantDocumentSchema = z.strictObject({
  apiVersion: z.enum(["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"]),
  kind: z.literal("ReferenceGrant"),
  metadata: namespacedMetadata,
  spec: z.strictObject({
    /** Any of these may refer to any of `to`. */
    from: z
      .array(z.strictObject({ group: apiGroup, kind: apiKind, namespace: labelName }))
      .min(1, "at least one entry")
      .max(16, "at most 16 entries"),
    /** Without a name: every object of the kind. */
    to: z
      .array(z.strictObject({ group: apiGroup, kind: apiKind, name: objectName.optional() }))
      .min(1, "at least one entry")
      .max(16, "at most 16 entries"),
  }),
});
