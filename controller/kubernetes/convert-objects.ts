/**
 * Objects of the API server -> documents, as the schemas in protocol/documents/ would have made them of the same text:
 * with the fields Hawser reads, and every default filled in. The schemas themselves do not run: the API server has validated
 * these objects, and there are thousands of them.
 */
import type {
  EndpointSliceDocument,
  NamespaceDocument,
  NodeDocument,
  PodDocument,
  ServiceDocument,
} from "../../protocol/documents/document.ts";
import type { EndpointSliceObject, NamespaceObject, NodeObject, PodObject, ServiceObject } from "./cluster-objects.ts";
import { ObjectSource } from "./object-source.ts";
import { ownAnnotations } from "./own-keys.ts";
import type { SharedJson } from "./shared-json.ts";

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

export function convertNamespace({ metadata }: NamespaceObject, shared: SharedJson): NamespaceDocument {
  const { name } = metadata;
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, ...wordsOf(metadata, shared) },
    source: new ObjectSource("Namespace", undefined, name),
  };
}

export function convertNode({ metadata, spec, status }: NodeObject, shared: SharedJson): NodeDocument {
  const { name } = metadata;
  const addresses = (status?.addresses ?? []).filter(({ type }) => ADDRESS_TYPES.has(type));
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, ...wordsOf(metadata, shared) },
    spec: given({ podCIDR: spec?.podCIDR, podCIDRs: spec?.podCIDRs?.slice() }),
    status: { addresses: addresses as NodeDocument["status"]["addresses"] },
    source: new ObjectSource("Node", undefined, name),
  };
}

const ADDRESS_TYPES: ReadonlySet<string> = new Set([
  "InternalIP",
  "ExternalIP",
  "Hostname",
  "InternalDNS",
  "ExternalDNS",
]);

/** Undefined: the pod has ended, and is nobody's any more; finished Jobs leave thousands of them. */
export function convertPod({ metadata, spec, status }: PodObject, shared: SharedJson): PodDocument | undefined {
  if (status?.phase === "Succeeded" || status?.phase === "Failed") return undefined;
  const { name, namespace = "default", deletionTimestamp, creationTimestamp } = metadata;
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: shared.share(namespace),
      ...wordsOf(metadata, shared),
      ...given({ deletionTimestamp, creationTimestamp }),
    },
    spec: {
      ...given({ nodeName: spec?.nodeName === undefined ? undefined : shared.share(spec.nodeName) }),
      serviceAccountName: shared.share(spec?.serviceAccountName ?? "default"),
      hostNetwork: spec?.hostNetwork ?? false,
      containers: shared.share(containersOf(spec?.containers)),
    },
    status: given({
      podIP: status?.podIP,
      podIPs: status?.podIPs?.map(({ ip }) => ({ ip })),
      phase: status?.phase as PodDocument["status"]["phase"],
      conditions: shared.share(
        ready === undefined ? [] : [{ type: "Ready", status: ready.status as "True" | "False" | "Unknown" }],
      ),
    }),
    source: new ObjectSource("Pod", namespace, name),
  };
}

/** What a Service's target port may refer to. */
function containersOf(
  containers: NonNullable<PodObject["spec"]>["containers"] = [],
): PodDocument["spec"]["containers"] {
  return containers.map(({ name, ports = [] }) => {
    const known = ports.filter(({ protocol }) => isTcpOrUdp(protocol));
    if (known.length === 0) return { name };
    return {
      name,
      ports: known.map(({ name: portName, containerPort, protocol }) => ({
        ...given({ name: portName }),
        containerPort,
        protocol: protocol === "UDP" ? "UDP" : "TCP",
      })),
    };
  });
}

export function convertService({ metadata, spec }: ServiceObject, shared: SharedJson): ServiceDocument {
  const { name, namespace = "default" } = metadata;
  const { type = "ClusterIP", clusterIP, clusterIPs, selector, ports = [], ...rest } = spec ?? {};
  // An ExternalName has an empty one.
  const address = clusterIP === "" ? undefined : clusterIP;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: shared.share(namespace), ...wordsOf(metadata, shared) },
    spec: {
      type: type as ServiceDocument["spec"]["type"],
      ...given({ clusterIP: address, clusterIPs: clusterIPs?.slice() }),
      ...given({ selector: selector === undefined ? undefined : shared.share({ ...selector }) }),
      ports: ports.filter(({ protocol }) => isTcpOrUdp(protocol)).map(convertServicePort),
      ...given({
        publishNotReadyAddresses: rest.publishNotReadyAddresses,
        internalTrafficPolicy: rest.internalTrafficPolicy as "Cluster" | "Local" | undefined,
        trafficDistribution: knownDistribution(rest.trafficDistribution),
        sessionAffinity: rest.sessionAffinity as "None" | "ClientIP" | undefined,
      }),
    },
    source: new ObjectSource("Service", namespace, name),
  };
}

type ServicePorts = NonNullable<NonNullable<ServiceObject["spec"]>["ports"]>;

function convertServicePort({
  name,
  port,
  targetPort,
  protocol,
  appProtocol,
}: ServicePorts[number]): ServiceDocument["spec"]["ports"][number] {
  // The API server writes 0 for a port of a headless Service that names none.
  const target = targetPort === 0 ? undefined : targetPort;
  return {
    port,
    protocol: protocol === "UDP" ? "UDP" : "TCP",
    ...given({ name, targetPort: target, appProtocol }),
  };
}

/** A hint, and one that this version does not know yet is none. */
function knownDistribution(text: string | undefined): ServiceDocument["spec"]["trafficDistribution"] {
  return text === "PreferSameNode" || text === "PreferSameZone" || text === "PreferClose" ? text : undefined;
}

/** Undefined: a slice of host names, which have no place in a table of addresses (and are deprecated). */
export function convertEndpointSlice(
  { metadata, addressType, endpoints, ports }: EndpointSliceObject,
  shared: SharedJson,
): EndpointSliceDocument | undefined {
  if (addressType !== "IPv4" && addressType !== "IPv6") return undefined;
  const { name, namespace = "default" } = metadata;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: shared.share(namespace), ...wordsOf(metadata, shared) },
    addressType,
    endpoints: (endpoints ?? []).map((endpoint) => convertEndpoint(endpoint, namespace, shared)),
    ports: shared.share((ports ?? []).map(convertEndpointPort)),
    source: new ObjectSource("EndpointSlice", namespace, name),
  };
}

type EndpointObject = NonNullable<EndpointSliceObject["endpoints"]>[number];
type EndpointPortObject = NonNullable<EndpointSliceObject["ports"]>[number];

function convertEndpoint(
  { addresses, conditions, targetRef, nodeName, zone, hints }: EndpointObject,
  namespace: string,
  shared: SharedJson,
): EndpointSliceDocument["endpoints"][number] {
  const { ready, serving, terminating } = conditions ?? {};
  const target =
    targetRef?.name === undefined
      ? undefined
      : {
          kind: shared.share(targetRef.kind ?? ""),
          namespace: shared.share(targetRef.namespace ?? namespace),
          name: targetRef.name,
        };
  return {
    addresses: addresses.slice(),
    conditions: shared.share(given({ ready, serving, terminating })),
    ...given({
      targetRef: target,
      nodeName: nodeName === undefined ? undefined : shared.share(nodeName),
      zone: zone === undefined ? undefined : shared.share(zone),
      hints: hints === undefined ? undefined : shared.share(convertHints(hints)),
    }),
  };
}

function convertHints({ forZones, forNodes }: NonNullable<EndpointObject["hints"]>) {
  const names = (list: readonly { readonly name: string }[] | undefined): { name: string }[] | undefined =>
    list?.map(({ name }) => ({ name }));
  return given({ forZones: names(forZones), forNodes: names(forNodes) });
}

function convertEndpointPort({
  name,
  port,
  protocol,
  appProtocol,
}: EndpointPortObject): EndpointSliceDocument["ports"][number] {
  return {
    name: name ?? "",
    protocol: protocol === "UDP" || protocol === "SCTP" ? protocol : "TCP",
    ...given({ port: port ?? undefined, appProtocol: appProtocol ?? undefined }),
  };
}

/** Labels, and our annotations. */
function wordsOf(
  { labels = {}, annotations }: PodObject["metadata"],
  shared: SharedJson,
): { labels: Record<string, string>; annotations: Record<string, string> } {
  return { labels: shared.share({ ...labels }), annotations: ownAnnotations(annotations) };
}

function isTcpOrUdp(protocol: string | undefined): boolean {
  return protocol === undefined || protocol === "TCP" || protocol === "UDP";
}

/** Without the keys that have no value: what is absent in the object is absent in the document. */
function given<T extends object>(values: T): Given<T> {
  const result: Given<T> = {};
  for (const key of Object.keys(values) as (keyof T)[]) {
    const value = values[key];
    if (value !== undefined) result[key] = value as Exclude<T[keyof T], undefined>;
  }
  return result;
}
