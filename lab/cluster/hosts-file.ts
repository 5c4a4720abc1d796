/**
 * Name resolution as a hosts file: what a cluster DNS would answer to a pod of one namespace (pure).
 *
 * `catalog` and, for any namespace, `catalog.shop`, `catalog.shop.svc`, `catalog.shop.svc.cluster.local`.
 */
import { familyOf } from "./addresses.ts";
import type { LabService } from "./cluster-file.ts";

export interface NamedService {
  readonly service: LabService;
  /** Ready endpoints: the addresses of a headless Service. */
  readonly endpointIps: readonly string[];
}

const CLUSTER_DOMAIN = "cluster.local";

export function hostsFile(
  namespace: string,
  podName: string,
  podIps: readonly string[],
  services: readonly NamedService[],
): string {
  const lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost", ...podIps.map((ip) => `${ip} ${podName}`)];
  for (const { service, endpointIps } of services) {
    const ips = service.clusterIps.length > 0 ? service.clusterIps : endpointIps;
    const names = namesOf(service, namespace).join(" ");
    // IPv4 first: what a program tries first where getaddrinfo does not sort.
    for (const ip of ips.toSorted((a, b) => familyOf(a) - familyOf(b))) lines.push(`${ip} ${names}`);
  }
  return `${lines.join("\n")}\n`;
}

function namesOf(service: LabService, namespace: string): readonly string[] {
  const { name } = service;
  const qualified = `${name}.${service.namespace}`;
  const names = [`${qualified}.svc.${CLUSTER_DOMAIN}`, `${qualified}.svc`, qualified];
  return service.namespace === namespace ? [...names, name] : names;
}
