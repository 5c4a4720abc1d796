/** `TrafficPolicy`: how connections to one Service of the same namespace are spread and protected. */
import { z } from "zod";
import { namespacedMetadata } from "./metadata-schema.ts";
import { ejection, loadBalancer, locality } from "./policy-schemas.ts";
import { labelName } from "./scalar-schemas.ts";

export const trafficPolicyDocumentSchema = z.strictObject({
  apiVersion: z.literal("hawser.dev/v1"),
  kind: z.literal("TrafficPolicy"),
  metadata: namespacedMetadata,
  spec: z.strictObject({
    /** As in the Gateway API (GEP-713): the core group is "". */
    targetRef: z.strictObject({ group: z.literal("").default(""), kind: z.literal("Service"), name: labelName }),
    locality: locality.optional(),
    loadBalancer: loadBalancer.optional(),
    ejection: ejection.optional(),
  }),
});
