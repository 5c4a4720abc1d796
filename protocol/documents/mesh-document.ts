/** `Mesh`: the settings of the whole mesh, at most one document. Everything has a default. */
import { z } from "zod";
import { clusterMetadata } from "./metadata-schema.ts";
import { ejection, loadBalancer, locality } from "./policy-schemas.ts";
import { cidr, labelName, portNumber, trustDomain } from "./scalar-schemas.ts";

export const meshDocumentSchema = z.strictObject({
  apiVersion: z.literal("hawser.dev/v1"),
  kind: z.literal("Mesh"),
  metadata: clusterMetadata,
  // Not optional: a file that was cut off before it must not take the defaults into force.
  spec: z.strictObject({
    trustDomain: trustDomain.optional(),
    encryption: z.enum(["strict", "permissive"]).optional(),
    locality: locality.optional(),
    loadBalancer: loadBalancer.optional(),
    ejection: ejection.optional(),
    /** What is never intercepted. */
    exclude: z
      .strictObject({
        ports: z.array(portNumber).default([]),
        cidrs: z.array(cidr).default([]),
        namespaces: z.array(labelName).default([]),
      })
      .optional(),
  }),
});
