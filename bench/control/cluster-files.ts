/**
 * The documents of the cluster that is measured, one file per pod as the lab writes them, and the change whose way to the
 * agents is timed: a pod comes back with another address and weight, so that its workload and its endpoint both change.
 *
 * A changed pod carries the moment of the change in a label; labels are part of the table, so whoever applies the change
 * knows how old it is.
 */
import { DocumentsDirectory } from "../../lab/cluster/documents-directory.ts";

export interface ClusterSize {
  /** One agent on each. */
  readonly nodes: number;
  readonly pods: number;
  readonly services: number;
}

/** Value: `monotonicMicroseconds()` at the moment before the file was written. */
export const CHANGED_AT_LABEL = "bench/changed-at";

/** Pods of one node have addresses 2..119 or, every second time they change, 130..247 of its /24. */
export const MAX_PODS_PER_NODE = 118;
const OTHER_ADDRESS = 128;

export class ClusterFiles {
  readonly #size: ClusterSize;
  readonly #directory: DocumentsDirectory;
  #changes = 0;

  constructor(stateDirectory: string, size: ClusterSize) {
    this.#size = size;
    this.#directory = new DocumentsDirectory(stateDirectory);
  }

  get path(): string {
    return this.#directory.path;
  }

  get changes(): number {
    return this.#changes;
  }

  writeAll(): void {
    const { nodes, pods, services } = this.#size;
    const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number);
    this.#directory.writeText("nodes.yaml", numbers(nodes).map(nodeText).join("---\n"));
    this.#directory.writeText("services.yaml", numbers(services).map(serviceText).join("---\n"));
    for (const pod of numbers(pods)) this.#writePod(pod, undefined, false);
  }

  /** The next pod in turn changes: none twice before all have. */
  change(): void {
    const pod = this.#changes % this.#size.pods;
    const moved = Math.floor(this.#changes / this.#size.pods) % 2 === 0;
    this.#changes += 1;
    this.#writePod(pod, monotonicMicroseconds(), moved);
  }

  #writePod(pod: number, changedAt: number | undefined, moved: boolean): void {
    this.#directory.writeText(`pod-${pod}.yaml`, podText(this.#size, pod, changedAt, moved));
  }
}

/** Name of the node with this number. */
export function nodeName(number: number): string {
  return `node-${number}`;
}

/** The same clock in every process of a machine (CLOCK_MONOTONIC). */
export function monotonicMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

export function nodeText(node: number): string {
  return `apiVersion: v1
kind: Node
metadata: { name: ${nodeName(node)} }
spec: { podCIDR: 10.${128 + (node >> 8)}.${node & 255}.0/24 }
status: { addresses: [{ type: InternalIP, address: 172.16.${node >> 8}.${node & 255} }] }
`;
}

export function serviceName(service: number): string {
  return `service-${service}`;
}

export function serviceText(service: number): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${serviceName(service)}, namespace: bench }
spec: { clusterIP: 10.96.${service >> 8}.${service & 255}, selector: { app: ${serviceName(service)} }, ports: [{ port: 80, targetPort: 8080 }] }
`;
}

export function podName({ services }: ClusterSize, pod: number): string {
  return `${serviceName(pod % services)}-7d4b9c6f5-${pod}`;
}

/** `moved`: its other address. */
export function podIp({ nodes }: ClusterSize, pod: number, moved: boolean): string {
  const node = pod % nodes;
  const last = 2 + Math.floor(pod / nodes) + (moved ? OTHER_ADDRESS : 0);
  return `10.${128 + (node >> 8)}.${node & 255}.${last}`;
}

export function podText(size: ClusterSize, pod: number, changedAt: number | undefined, moved: boolean): string {
  const ip = podIp(size, pod, moved);
  const app = serviceName(pod % size.services);
  const mark = changedAt === undefined ? "" : `, ${CHANGED_AT_LABEL}: "${changedAt}"`;
  return `apiVersion: v1
kind: Pod
metadata:
  name: ${podName(size, pod)}
  namespace: bench
  labels: { app: ${app}, pod-template-hash: 7d4b9c6f5, tier: backend${mark} }
  annotations: { hawser.dev/weight: "${moved ? 99 : 100}" }
spec:
  nodeName: ${nodeName(pod % size.nodes)}
  serviceAccountName: ${app}
  containers: [{ name: main, image: "registry.example/bench/${app}:1.0.0", ports: [{ containerPort: 8080 }] }]
status:
  phase: Running
  podIP: ${ip}
  podIPs: [{ ip: ${ip} }]
  conditions: [{ type: Ready, status: "True" }]
`;
}
