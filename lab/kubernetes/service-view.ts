/**
 * Services and EndpointSlices of an API server as the lab's kube-proxy and name resolution want them (pure).
 *
 * Which endpoints count is kube-proxy's rule: the ready ones; when there are none, those that still serve while they
 * terminate (KEP-1669).
 */
import type { LabService } from "../cluster/cluster-file.ts";
import type { NamedService } from "../cluster/hosts-file.ts";
import type { ServiceBackends } from "../cluster/kube-proxy-rules.ts";
import { keyOf } from "./kube-objects.ts";
import type { EndpointSliceObject, ServiceObject } from "./kube-objects.ts";

export interface ServiceView {
  readonly services: readonly LabService[];
  readonly backends: readonly ServiceBackends[];
  readonly named: readonly NamedService[];
}

type Endpoint = NonNullable<EndpointSliceObject["endpoints"]>[number];

const SERVICE_NAME = "kubernetes.io/service-name";

export function serviceView(services: readonly ServiceObject[], slices: readonly EndpointSliceObject[]): ServiceView {
  const slicesOf = Map.groupBy(slices, (slice) => {
    return `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME]}`;
  });
  const found = services.map((object) => ({ service: labService(object), slices: slicesOf.get(keyOf(object)) ?? [] }));
  return {
    services: found.map(({ service }) => service),
    backends: found.flatMap((one) => backendsOf(one.service, one.slices)),
    named: found.map(({ service, slices: own }) => ({
      service,
      endpointIps: service.clusterIps.length > 0 ? [] : [...new Set(own.flatMap(usedAddresses))],
    })),
  };
}

function labService(object: ServiceObject): LabService {
  const { namespace = "default", name } = object.metadata;
  const { clusterIPs = [], selector, ports = [] } = object.spec;
  return {
    key: keyOf(object),
    namespace,
    name,
    clusterIps: clusterIPs.filter((ip) => ip !== "None"),
    selector,
    ports: ports.map((one) => ({
      name: one.name ?? "",
      port: one.port,
      targetPort: one.targetPort ?? one.port,
      protocol: one.protocol ?? "TCP",
    })),
  };
}

function backendsOf(service: LabService, slices: readonly EndpointSliceObject[]): readonly ServiceBackends[] {
  if (service.clusterIps.length === 0) return [];
  return service.ports.map((port) => {
    const endpoints = slices.flatMap((slice) => {
      const own = slice.ports?.find(
        (one) => (one.name ?? "") === port.name && (one.protocol ?? "TCP") === port.protocol,
      );
      const target = own?.port;
      return target === undefined ? [] : usedAddresses(slice).map((ip) => ({ ip, port: target }));
    });
    return { service, port, endpoints };
  });
}

/** In a fixed order, so that equal endpoints give equal rules. */
function usedAddresses(slice: EndpointSliceObject): readonly string[] {
  const endpoints = slice.endpoints ?? [];
  const ready = endpoints.filter((endpoint) => endpoint.conditions?.ready ?? true);
  const used = ready.length > 0 ? ready : endpoints.filter(servesToTheEnd);
  return used.flatMap((endpoint) => endpoint.addresses.slice(0, 1)).toSorted();
}

function servesToTheEnd({ conditions }: Endpoint): boolean {
  return conditions?.terminating === true && (conditions.serving ?? false);
}
