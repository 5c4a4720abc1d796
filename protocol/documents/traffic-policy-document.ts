/** `TrafficPolicy`: how connections and requests to one Service of the same namespace are spread and protected. */
import { z } from "zod";
import { retries, timeouts } from "./http-policy-schemas.ts";
import { namespacedMetadata } from "./metadata-schema.ts";
import { ejection, loadBalancer, locality } from "./policy-schemas.ts";
import { policyTarget } from "./policy-target-schema.ts";

export const trafficPolicyDocumentSchema = z.strictObject({
  apiVersion: z.literal("hawser.dev/v1"),
  kind: z.literal("TrafficPolicy"),
  metadata: namespacedMetadata,
  spec: z
    .strictObject({
      targetRef: policyTarget,
      locality: locality.optional(),
      loadBalancer: loadBalancer.optional(),
      ejection: ejection.optional(),
      timeouts: timeouts.optional(),
      retries: retries.optional(),
    })
    .superRefine(({ targetRef, ...settings }, context) => {
      if (targetRef.kind === "Service") return;
      for (const key of ["locality", "loadBalancer", "ejection"] as const) {
        if (settings[key] === undefined) continue;
        context.addIssue({
          code: "custom",
          path: [key],
          message: `no ${key} for a route, it is a matter of the Service`,
        });
      }
    }),
});
