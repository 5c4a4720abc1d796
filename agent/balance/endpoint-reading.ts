/** One endpoint of a destination as it is now, for a person who asks. */
import type { LiveEndpoint } from "../../protocol/live-state.ts";
import type { Endpoint } from "./endpoint.ts";

export type EndpointReading = Omit<LiveEndpoint, "worker">;

/** `nowMs` of the same clock as the ejection's. */
export function readEndpoint(
  { candidate, ejection, inFlight, weight, pausedUntilMs }: Endpoint,
  nowMs: number,
): Omit<EndpointReading, "destination" | "ofRequests"> {
  const { key, address } = candidate;
  const { state, untilMs } = ejection;
  return {
    endpoint: key,
    address,
    state,
    inFlight,
    ...(state === "serving" ? {} : { ejectedForMs: Math.max(0, Math.round(untilMs - nowMs)) }),
    ...(pausedUntilMs > nowMs ? { pausedForMs: Math.round(pausedUntilMs - nowMs) } : {}),
    ...(weight === candidate.weight ? {} : { weightNow: Math.round(weight) }),
  };
}
