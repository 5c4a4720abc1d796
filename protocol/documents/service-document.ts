/** `Service`: shaped like core/v1, with the fields Hawser reads. */
import { z } from "zod";
import { namespacedMetadata } from "./metadata-schema.ts";
import { hostAddress, labelName, labels, portNumber } from "./scalar-schemas.ts";

const TARGET = "a port number from 1 to 65535 or the name of a container's port";
const CLUSTER_IP = 'an IPv4 or IPv6 address, or "None"';

const clusterIp = z.union([z.literal("None"), hostAddress], { error: CLUSTER_IP });

const servicePort = z.strictObject({
  name: labelName.optional(),
  port: portNumber,
  /** `port` when absent. */
  targetPort: z.union([portNumber, labelName], { error: TARGET }).optional(),
  protocol: z.enum(["TCP", "UDP"]).default("TCP"),
  appProtocol: z.string().min(1).optional(),
});

const PORT_TAKEN = "a port that no other entry has for the same protocol";
const NAME_TAKEN = "a name that no other port of the Service has";
const NAME_WANTED = "a name for every port when there are several";

const servicePorts = z.array(servicePort).superRefine(
  (ports, context) => {
    const numbers = new Set<string>();
    const names = new Set<string>();
    for (const [index, entry] of ports.entries()) {
      const { name, port, protocol } = entry ?? {};
      const number = `${port}/${protocol}`;
      const wrong = (key: string, message: string) => context.addIssue({ code: "custom", path: [index, key], message });
      if (typeof port === "number" && numbers.has(number)) wrong("port", PORT_TAKEN);
      if (typeof name === "string" && names.has(name)) wrong("name", NAME_TAKEN);
      if (name === undefined && ports.length > 1) wrong("name", NAME_WANTED);
      numbers.add(number);
      if (name !== undefined) names.add(name);
    }
  },
  // Also when an entry is wrong: everything is said at once.
  { when: ({ value }) => Array.isArray(value) },
);

export const serviceDocumentSchema = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Service"),
  metadata: namespacedMetadata,
  spec: z.strictObject({
    /** ExternalName is a DNS alias: it has no address, and nothing of it is intercepted. */
    type: z.enum(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]).default("ClusterIP"),
    /** "None": headless. Absent: none was assigned yet. */
    clusterIP: clusterIp.optional(),
    /** Both families; holds `clusterIP` too when both are given. */
    clusterIPs: z.array(clusterIp).optional(),
    /** Pods of the same namespace with all these labels; absent: the Service has no endpoints. */
    selector: labels.optional(),
    ports: servicePorts.default([]),
    /** Endpoints count as ready whatever their pods say. */
    publishNotReadyAddresses: z.boolean().optional(),
    /** Local: endpoints on the caller's node only, none there means refused (KEP-2086). */
    internalTrafficPolicy: z.enum(["Cluster", "Local"]).optional(),
    /** Over the mesh's `locality` (KEP-4444, KEP-3015); PreferClose is the old name of PreferSameZone. */
    trafficDistribution: z.enum(["PreferSameNode", "PreferSameZone", "PreferClose"]).optional(),
    /** ClientIP: connections of one client address go to one endpoint. */
    sessionAffinity: z.enum(["None", "ClientIP"]).optional(),
  }),
});
