/**
 * What stands between a request that may go and its tries, top to bottom. A layer is there only for requests whose rule
 * asks for it; without any, the carrier is the forwarding itself.
 */
import { Forwarding } from "./forwarding.ts";
import { BoundedCarrier } from "./protect/bounded-carrier.ts";
import type { CarrierOptions, RequestCarrier } from "./request-carrier.ts";

export function carryRequest(options: CarrierOptions): RequestCarrier {
  const { plan, pace } = options;
  // Bodies, no larger and no faster than policies say.
  if (plan.rule?.sizes !== undefined || pace !== undefined) return new BoundedCarrier(options, sendRequest);
  return sendRequest(options);
}

function sendRequest(options: CarrierOptions): RequestCarrier {
  // Tries, one after the other, each at another endpoint.
  return new Forwarding(options);
}
