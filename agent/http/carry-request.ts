/**
 * What stands between a request that may go and its tries, top to bottom. A layer is there only for requests whose rule
 * asks for it; without any, the carrier is the forwarding itself.
 */
import { Forwarding } from "./forwarding.ts";
import type { CarrierOptions, RequestCarrier } from "./request-carrier.ts";

export function carryRequest(options: CarrierOptions): RequestCarrier {
  // Tries, one after the other, each at another endpoint.
  return new Forwarding(options);
}
