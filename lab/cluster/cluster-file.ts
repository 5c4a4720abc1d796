/**
 * Reads the documents of a cluster: what the lab itself needs of Node, Pod and Service is checked here, everything
 * else is passed on as it is for the controller to judge.
 */
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { HawserError } from "../../core/errors.ts";
import type { LabPod } from "../lab-status.ts";

const metadata = z.looseObject({
  name: z.string(),
  namespace: z.string().default("default"),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
});

const nodeSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({ podCIDR: z.string().optional(), podCIDRs: z.array(z.string()).optional() }),
  status: z.looseObject({ addresses: z.array(z.looseObject({ type: z.string(), address: z.string() })) }),
});

const serviceSchema = z.looseObject({
  metadata,
  spec: z.looseObject({
    clusterIP: z.string().optional(),
    clusterIPs: z.array(z.string()).optional(),
    selector: z.record(z.string(), z.string()).optional(),
    ports: z
      .array(
        z.looseObject({
          name: z.string().default(""),
          port: z.int(),
          targetPort: z.union([z.int(), z.string()]).optional(),
          protocol: z.string().default("TCP"),
        }),
      )
      .default([]),
  }),
});

const podSchema = z.looseObject({
  metadata,
  spec: z.looseObject({
    nodeName: z.string(),
    containers: z.array(z.looseObject({ command: z.array(z.string()).min(1) })).length(1),
  }),
});

export interface LabNode {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly podCidrs: readonly string[];
}

export interface LabService {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Empty for a headless Service. */
  readonly clusterIps: readonly string[];
  /** Undefined: the Service has no endpoints. */
  readonly selector: Readonly<Record<string, string>> | undefined;
  readonly ports: readonly LabServicePort[];
}

export interface LabServicePort {
  readonly name: string;
  readonly port: number;
  readonly targetPort: number | string;
  readonly protocol: string;
}

export interface ClusterDocuments {
  readonly nodes: readonly LabNode[];
  readonly services: readonly LabService[];
  readonly pods: readonly LabPod[];
  /** Every document but the Pods, as written: what the controller reads besides the kubelet's Pods. */
  readonly others: readonly Readonly<Record<string, unknown>>[];
}

/** Throws `bad-cluster-file` with every problem found. */
export function parseClusterDocuments(text: string, fileName: string): ClusterDocuments {
  const documents = readYaml(text, fileName);
  const ofKind = (kind: string): readonly unknown[] => documents.filter((document) => document["kind"] === kind);
  return {
    nodes: parseAll(ofKind("Node"), nodeSchema, fileName).map(toNode),
    services: parseAll(ofKind("Service"), serviceSchema, fileName).map(toService),
    pods: parseAll(ofKind("Pod"), podSchema, fileName) as readonly LabPod[],
    others: documents.filter((document) => document["kind"] !== "Pod"),
  };
}

function readYaml(text: string, fileName: string): readonly Record<string, unknown>[] {
  const parsed = parseAllDocuments(text);
  if (!Array.isArray(parsed)) return [];
  const errors = parsed.flatMap((document) => document.errors.map((error) => error.message));
  if (errors.length > 0) throw new HawserError("bad-cluster-file", `${fileName}: ${errors.join("; ")}`);
  return parsed
    .map((document) => document.toJS({ maxAliasCount: 100 }) as Record<string, unknown> | null)
    .filter((document) => document !== null);
}

function parseAll<T>(documents: readonly unknown[], schema: z.ZodType<T>, fileName: string): readonly T[] {
  return documents.map((document) => {
    const result = schema.safeParse(document);
    if (result.success) return result.data;
    const { kind, metadata: found } = document as { kind?: string; metadata?: { name?: string } };
    const what = `${kind} ${found?.name ?? "without a name"}`;
    throw new HawserError("bad-cluster-file", `${fileName}: ${what}: ${z.prettifyError(result.error)}`);
  });
}

function toNode(node: z.infer<typeof nodeSchema>): LabNode {
  return {
    name: node.metadata.name,
    addresses: node.status.addresses.filter((one) => one.type === "InternalIP").map((one) => one.address),
    podCidrs: node.spec.podCIDRs ?? (node.spec.podCIDR === undefined ? [] : [node.spec.podCIDR]),
  };
}

function toService(service: z.infer<typeof serviceSchema>): LabService {
  const { namespace, name } = service.metadata;
  const { clusterIP, clusterIPs, selector, ports } = service.spec;
  const ips = clusterIPs ?? (clusterIP === undefined ? [] : [clusterIP]);
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    clusterIps: ips.filter((ip) => ip !== "None"),
    selector,
    ports: ports.map((one) => ({
      name: one.name,
      port: one.port,
      targetPort: one.targetPort ?? one.port,
      protocol: one.protocol,
    })),
  };
}
