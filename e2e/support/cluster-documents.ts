/**
 * Documents of a small cluster for a story (pure): three dual-stack nodes, the third in a zone of its own, and pods, Services and policies of one
 * namespace, written down as briefly as a story wants to read.
 */
import { stringify } from "yaml";
import type { LabPod } from "../../lab/lab-status.ts";

export type NodeNumber = 1 | 2 | 3;

export interface StoryPod {
  readonly name: string;
  readonly node: NodeNumber;
  /** Started in the project's root directory. */
  readonly command: readonly string[];
  /** Ready when it answers. Absent: ready when started. */
  readonly port?: number;
  /** Selected by Services; `app` is the name of the workload. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** In its node's network, without an address of its own. */
  readonly hostNetwork?: boolean;
}

export interface StoryService {
  readonly name: string;
  /** Its ClusterIPs are 10.96.0.<number> and fd10:96::<number>. */
  readonly number: number;
  /** Absent: its endpoints are those of its slices. */
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports: readonly number[];
  /** Of all its ports. */
  readonly appProtocol?: string;
  /** What else is said of it. */
  readonly spec?: object;
}

export interface StoryEndpoint {
  readonly address: string;
  /** Name of the pod that has the address; absent: no pod. */
  readonly pod?: string;
  readonly ready?: boolean;
}

export const STORY_NAMESPACE = "story";

export function clusterText(documents: readonly object[]): string {
  return documentsText([...nodes(), ...documents]);
}

export function documentsText(documents: readonly object[]): string {
  return documents.map((document) => stringify(document, { aliasDuplicateObjects: false })).join("---\n");
}

export function mesh(spec: object = {}): object {
  return { apiVersion: "hawser.dev/v1", kind: "Mesh", metadata: { name: "mesh" }, spec };
}

export function pod({ name, node, command, port, labels = {}, annotations = {}, hostNetwork }: StoryPod): LabPod {
  const ports = port === undefined ? {} : { ports: [{ containerPort: port }] };
  const readinessProbe = port === undefined ? {} : { readinessProbe: { tcpSocket: { port } } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: STORY_NAMESPACE, labels: { app: name, ...labels }, annotations },
    spec: {
      nodeName: `node-${node}`,
      serviceAccountName: name,
      ...(hostNetwork === undefined ? {} : { hostNetwork }),
      containers: [{ name: "main", command, ...ports, ...readinessProbe }],
    },
  };
}

/** A pod that does nothing by itself: stories run their clients in it. */
export function clientPod(name: string, node: NodeNumber): LabPod {
  return pod({ name, node, command: ["sleep", "infinity"] });
}

export function service({ name, number, selector, ports, appProtocol, spec = {} }: StoryService): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: STORY_NAMESPACE },
    spec: {
      clusterIPs: [`10.96.0.${number}`, `fd10:96::${number}`],
      ...(selector === undefined ? {} : { selector }),
      ports: ports.map((port) => ({
        name: `port-${port}`,
        port,
        ...(appProtocol === undefined ? {} : { appProtocol }),
      })),
      ...spec,
    },
  };
}

/** `port` of the Service is `target` of these endpoints. Of IPv4. */
export function endpointSlice(
  serviceName: string,
  { port, target = port }: { readonly port: number; readonly target?: number },
  endpoints: readonly StoryEndpoint[],
): object {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${serviceName}-${target}`,
      namespace: STORY_NAMESPACE,
      labels: { "kubernetes.io/service-name": serviceName },
    },
    addressType: "IPv4",
    ports: [{ name: `port-${port}`, port: target }],
    endpoints: endpoints.map(({ address, pod: name, ready = true }) => ({
      addresses: [address],
      conditions: { ready },
      ...(name === undefined ? {} : { targetRef: { kind: "Pod", namespace: STORY_NAMESPACE, name } }),
    })),
  };
}

/** The stories' namespace, with a label. */
export function namespace(labels: Readonly<Record<string, string>>): object {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: STORY_NAMESPACE, labels } };
}

export function trafficPolicy(serviceName: string, spec: object): object {
  return {
    apiVersion: "hawser.dev/v1",
    kind: "TrafficPolicy",
    metadata: { name: serviceName, namespace: STORY_NAMESPACE },
    spec: { targetRef: { kind: "Service", name: serviceName }, ...spec },
  };
}

/** Of the Service of the same name. */
export function httpRoute(serviceName: string, spec: object): object {
  return route("HTTPRoute", serviceName, spec);
}

/** Of the Service of the same name. */
export function grpcRoute(serviceName: string, spec: object): object {
  return route("GRPCRoute", serviceName, spec);
}

function route(kind: "HTTPRoute" | "GRPCRoute", serviceName: string, spec: object): object {
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind,
    metadata: { name: serviceName, namespace: STORY_NAMESPACE },
    spec: { parentRefs: [{ group: "", kind: "Service", name: serviceName }], ...spec },
  };
}

function nodes(): readonly object[] {
  return ([1, 2, 3] as const).map((number) => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: `node-${number}`,
      labels: { "topology.kubernetes.io/zone": number === 3 ? "zone-b" : "zone-a" },
    },
    spec: { podCIDRs: [`10.244.${number}.0/24`, `fd10:244:${number}::/64`] },
    status: {
      addresses: [
        { type: "InternalIP", address: `10.90.0.1${number}` },
        { type: "InternalIP", address: `fd90::1${number}` },
      ],
    },
  }));
}
