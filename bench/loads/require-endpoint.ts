/** Where a variant is called for a service that its lab must have: loads ask only after `suits`. */
import { HawserError } from "../../core/errors.ts";
import type { Endpoint, ServiceName } from "../world/services.ts";
import type { Variant } from "../world/variant.ts";

export function requireEndpoint(variant: Variant, service: ServiceName): Endpoint {
  const endpoint = variant.endpointOf(service);
  if (endpoint === undefined) throw new HawserError("no-endpoint", `${variant.title} has nothing behind ${service}`);
  return endpoint;
}
