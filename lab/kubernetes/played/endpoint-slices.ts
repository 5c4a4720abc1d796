/**
 * The EndpointSlices that the endpoint slice controller would make for a Service (pure): one per address family, with all
 * pods that its selector names. A lab has no Service with more than the 100 endpoints that would need a second slice.
 */
import { familyOf } from "../../cluster/addresses.ts";
import type { EndpointSliceObject, PodObject, ServiceObject } from "../kube-objects.ts";

const MANAGER = "lab.hawser.dev";
/** 4 and 6 as the API names them. */
const ADDRESS_TYPES = { IPv4: 4, IPv6: 6 } as const;

/** Empty for a Service without selector: its slices are somebody else's. */
export function endpointSlicesOf(service: ServiceObject, pods: readonly PodObject[]): readonly EndpointSliceObject[] {
  const { selector } = service.spec;
  if (selector === undefined || Object.keys(selector).length === 0) return [];
  const selected = pods.filter((pod) => isSelected(pod, service.metadata.namespace, selector));
  return familiesOf(service).map((addressType) => endpointSlice(service, addressType, selected));
}

function endpointSlice(
  service: ServiceObject,
  addressType: keyof typeof ADDRESS_TYPES,
  pods: readonly PodObject[],
): EndpointSliceObject {
  const { name, namespace, uid } = service.metadata;
  const owner = { apiVersion: "v1", kind: "Service", name, uid, controller: true, blockOwnerDeletion: true };
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-${addressType.toLowerCase()}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { "kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": MANAGER },
      ...{ ownerReferences: [owner] },
    },
    addressType,
    endpoints: pods.flatMap((pod) => endpointOf(service, pod, ADDRESS_TYPES[addressType])),
    ports: (service.spec.ports ?? []).flatMap((port) => {
      const target = targetPort(port.targetPort ?? port.port, pods);
      if (target === undefined) return [];
      const { name: portName = "", protocol = "TCP", appProtocol } = port;
      return [{ name: portName, protocol, port: target, ...(appProtocol === undefined ? {} : { appProtocol }) }];
    }),
  };
}

type Endpoints = NonNullable<EndpointSliceObject["endpoints"]>;

function endpointOf(service: ServiceObject, pod: PodObject, family: 4 | 6): Endpoints {
  const ip = pod.status?.podIPs?.map((one) => one.ip).find((one) => familyOf(one) === family);
  const phase = pod.status?.phase;
  if (ip === undefined || phase === "Succeeded" || phase === "Failed") return [];
  const isReady = pod.status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") === true;
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const published = service.spec.publishNotReadyAddresses === true;
  const { name, namespace, uid } = pod.metadata;
  const endpoint = {
    addresses: [ip],
    conditions: { ready: published || (isReady && !terminating), serving: published || isReady, terminating },
    nodeName: pod.spec.nodeName,
    targetRef: { kind: "Pod", name, namespace, uid },
  };
  return [endpoint];
}

/** A name may mean another number in every pod; as one slice has one port, the first pod decides. */
function targetPort(wanted: number | string, pods: readonly PodObject[]): number | undefined {
  if (typeof wanted === "number") return wanted;
  const ports = pods.flatMap((pod) => pod.spec.containers.flatMap((container) => container.ports ?? []));
  return ports.find((port) => port.name === wanted)?.containerPort;
}

function isSelected(
  pod: PodObject,
  namespace: string | undefined,
  selector: Readonly<Record<string, string>>,
): boolean {
  if (pod.metadata.namespace !== namespace) return false;
  return Object.entries(selector).every(([key, value]) => pod.metadata.labels?.[key] === value);
}

/** A headless Service says its families, others have an address of each. */
function familiesOf({ spec }: ServiceObject): readonly (keyof typeof ADDRESS_TYPES)[] {
  if (spec.ipFamilies !== undefined) return spec.ipFamilies;
  const ips = spec.clusterIPs ?? [];
  return (["IPv4", "IPv6"] as const).filter((type) =>
    ips.some((ip) => ip !== "None" && familyOf(ip) === ADDRESS_TYPES[type]),
  );
}
