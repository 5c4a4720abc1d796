/**
 * `EndpointSlice`: shaped like discovery.k8s.io/v1, with the fields Hawser reads. A part of what is behind one Service,
 * as the cluster sees it; a Service's endpoints are those of all its slices, and its selector is not looked at.
 */
import { z } from "zod";
import { namespacedMetadata } from "./metadata-schema.ts";
import { hostAddress, labelName, portNumber, subdomainName } from "./scalar-schemas.ts";

/** The label that names the slice's Service. Without it a slice belongs to nobody. */
export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

const endpoint = z.strictObject({
  /** Interchangeable addresses of one endpoint; consumers use the first (EndpointSlice API reference). */
  addresses: z.array(hostAddress).min(1, "at least one address"),
  conditions: z
    .strictObject({
      /** Absent means true; never true for a terminating pod, unless the Service has `publishNotReadyAddresses`. */
      ready: z.boolean().optional(),
      /** Ready, whether terminating or not. Absent means the same as `ready`. */
      serving: z.boolean().optional(),
      terminating: z.boolean().optional(),
    })
    .default({}),
  /** Absent: the endpoint is no pod. */
  targetRef: z.strictObject({ kind: z.string(), namespace: labelName, name: subdomainName }).optional(),
  nodeName: subdomainName.optional(),
  zone: z.string().optional(),
  hints: z
    .strictObject({
      forZones: z.array(z.strictObject({ name: z.string() })).optional(),
      forNodes: z.array(z.strictObject({ name: z.string() })).optional(),
    })
    .optional(),
});

const endpointPort = z.strictObject({
  /** Equal to the name of the Service's port; "" for a Service with one unnamed port. */
  name: z.string().default(""),
  /** Absent: all ports, which no Service can use. */
  port: portNumber.optional(),
  protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP"),
  appProtocol: z.string().optional(),
});

export const endpointSliceDocumentSchema = z.strictObject({
  apiVersion: z.literal("discovery.k8s.io/v1"),
  kind: z.literal("EndpointSlice"),
  metadata: namespacedMetadata,
  addressType: z.enum(["IPv4", "IPv6"]),
  endpoints: z.array(endpoint).default([]),
  ports: z.array(endpointPort).default([]),
});
