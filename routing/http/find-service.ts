/**
 * The Service that a URL's host means, as a pod's resolver would have it: `catalog`, `catalog.shop`, `catalog.shop.svc`,
 * `catalog.shop.svc.cluster.local` in any domain, or a ClusterIP.
 */
import type { ServiceEntry } from "../../protocol/table.ts";
import { normalizeAddress } from "../address.ts";

/** Undefined: none of these has that name. */
export function findService(
  services: readonly ServiceEntry[],
  host: string,
  callerNamespace: string,
): ServiceEntry | undefined {
  const address = normalizeAddress(host.replace(/^\[|\]$/g, ""));
  if (address !== undefined) {
    return services.find(({ clusterIps }) => clusterIps.some((ip) => normalizeAddress(ip) === address));
  }
  const key = serviceOfHost(host, callerNamespace);
  return services.find((service) => service.key === key);
}

/** What it would be the key of; undefined when it is no name of a Service. */
export function serviceOfHost(host: string, callerNamespace: string): string | undefined {
  const [name = "", namespace = callerNamespace, svc = "svc"] = host.toLowerCase().replace(/\.$/, "").split(".");
  return name === "" || svc !== "svc" ? undefined : `${namespace}/${name}`;
}
