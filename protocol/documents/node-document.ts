/** `Node`: one machine of the cluster, shaped like core/v1, with the fields Hawser reads. */
import { z } from "zod";
import { clusterMetadata } from "./metadata-schema.ts";
import { cidr, HOST_ADDRESS, isHostAddress } from "./scalar-schemas.ts";

const nodeAddress = z
  .strictObject({
    /** Hawser reads `InternalIP`. */
    type: z.enum(["InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"]),
    address: z.string(),
  })
  .superRefine(({ type, address }, context) => {
    if (!type.endsWith("IP") || isHostAddress(address)) return;
    context.addIssue({ code: "custom", path: ["address"], message: HOST_ADDRESS });
  });

export const nodeDocumentSchema = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Node"),
  metadata: clusterMetadata,
  spec: z
    .strictObject({
      podCIDR: cidr.optional(),
      /** Both families; holds `podCIDR` too when both are given. */
      podCIDRs: z.array(cidr).optional(),
    })
    .default({}),
  status: z.strictObject({ addresses: z.array(nodeAddress).default([]) }).default({ addresses: [] }),
});
