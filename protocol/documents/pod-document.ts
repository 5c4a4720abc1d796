/** `Pod`: shaped like core/v1, with the fields Hawser reads; the lab runs `containers[].command` as a process. */
import { z } from "zod";
import { podMetadata } from "./metadata-schema.ts";
import { hostAddress, labelName, portNumber, subdomainName } from "./scalar-schemas.ts";

const container = z.strictObject({
  name: labelName,
  image: z.string().optional(),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  env: z.array(z.strictObject({ name: z.string().min(1), value: z.string().default("") })).optional(),
  ports: z
    .array(
      z.strictObject({
        /** What a Service's `targetPort` may refer to. */
        name: labelName.optional(),
        containerPort: portNumber,
        protocol: z.enum(["TCP", "UDP"]).default("TCP"),
      }),
    )
    .optional(),
  /** For whoever runs the pod: its outcome comes back as the condition `Ready`. */
  readinessProbe: z
    .strictObject({
      tcpSocket: z.strictObject({ port: portNumber }),
      periodSeconds: z.int().min(1).max(3600).optional(),
    })
    .optional(),
});

export const podDocumentSchema = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Pod"),
  metadata: podMetadata,
  spec: z.strictObject({
    /** Absent: not scheduled yet. */
    nodeName: subdomainName.optional(),
    serviceAccountName: subdomainName.default("default"),
    hostNetwork: z.boolean().default(false),
    containers: z.array(container).min(1, "at least one container"),
    terminationGracePeriodSeconds: z.int().min(0).max(86_400).optional(),
  }),
  status: z
    .strictObject({
      podIP: hostAddress.optional(),
      /** Both families; holds `podIP` too when both are given. */
      podIPs: z.array(z.strictObject({ ip: hostAddress })).optional(),
      phase: z.enum(["Pending", "Running", "Succeeded", "Failed", "Unknown"]).optional(),
      conditions: z
        .array(z.strictObject({ type: z.string(), status: z.enum(["True", "False", "Unknown"]) }))
        .optional(),
    })
    .default({}),
});
