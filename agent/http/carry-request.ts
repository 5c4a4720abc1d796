/**
 * What stands between a request that may go and its tries, top to bottom. A layer is there only for requests whose rule
 * asks for it; without any, the carrier is the forwarding itself.
 *
 *   bounded      bodies, no larger and no faster than policies say
 *   collapsed    waits for the answer to an equal request, or leads those that do
 *   placed       below it only: waits for a place in the concurrency limit
 *   mirrored     gives copies of itself to mirrors
 *   hedged       tries beside each other
 *   forwarding   tries, one after the other, each at another endpoint
 */
import { Forwarding } from "./forwarding.ts";
import { BoundedCarrier, type BoundedOptions } from "./protect/bounded-carrier.ts";
import type { CarrierOptions, RequestCarrier } from "./request-carrier.ts";
import { placedRequest } from "./protect/placed-request.ts";
import { hedgedRequest } from "./resilience/hedged-request.ts";
import { mirroredRequest } from "./resilience/mirrored-request.ts";

export function carryRequest(options: BoundedOptions): RequestCarrier {
  const { plan, pace } = options;
  if (plan.rule?.sizes === undefined && pace === undefined) return collapsed(options);
  return new BoundedCarrier(options, collapsed);
}

function collapsed(options: CarrierOptions): RequestCarrier {
  const { plane, plan } = options;
  if (plan.rule?.collapsing === undefined) return mirrored(options);
  return plane.collapsed.carry(options, placed) ?? placed(options);
}

function placed(options: CarrierOptions): RequestCarrier {
  return placedRequest(options, mirrored) ?? mirrored(options);
}

function mirrored(options: CarrierOptions): RequestCarrier {
  return mirroredRequest(options, hedged) ?? hedged(options);
}

function hedged(options: CarrierOptions): RequestCarrier {
  return hedgedRequest(options, forwarded) ?? forwarded(options);
}

function forwarded(options: CarrierOptions): RequestCarrier {
  return new Forwarding(options);
}
