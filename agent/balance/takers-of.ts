/**
 * Who of some endpoints may take the next connection, and by which weights:
 *
 *   not ejected, or due for a probe  ->  not pausing, else those that pause  ->  weight, while it grows a part of it
 *   ->  with spill-over: near ones, and beside them others by the part that is theirs
 *
 * The weights are written to the endpoints, where strategies find them: a choice costs the same with all of this as
 * without, and only a change of who takes, or of a share, makes it be done anew.
 */
import type { SpillOver } from "../../routing/choice-settings.ts";
import type { Endpoint } from "./endpoint.ts";
import { GROWTH_STEP_MS } from "./limits.ts";
import { spillOverParts } from "./spill-over.ts";

export interface Takers {
  readonly endpoints: readonly Endpoint[];
  /** When it is to be asked again, if nothing happens before. */
  readonly untilMs: number;
}

/** `all`: of which some are left out now. */
export function takersOf(all: Iterable<Endpoint>, nowMs: number, spillOver: SpillOver | undefined): Takers {
  const able: Endpoint[] = [];
  const pausing: Endpoint[] = [];
  let farWeight = 0;
  let untilMs = Number.POSITIVE_INFINITY;
  for (const endpoint of all) {
    if (endpoint.candidate.far === true) farWeight += endpoint.candidate.weight;
    if (!endpoint.ejection.isAvailable(nowMs)) {
      untilMs = Math.min(untilMs, endpoint.ejection.untilMs);
      continue;
    }
    const share = endpoint.share.at(nowMs);
    endpoint.weight = endpoint.candidate.weight * share;
    if (share < 1) untilMs = Math.min(untilMs, nowMs + GROWTH_STEP_MS);
    if (endpoint.pausedUntilMs <= nowMs) able.push(endpoint);
    else {
      pausing.push(endpoint);
      untilMs = Math.min(untilMs, endpoint.pausedUntilMs);
    }
  }
  const takers = able.length > 0 ? able : pausing;
  const endpoints = spillOver === undefined ? takers : withParts(takers, spillOver, farWeight);
  return { endpoints, untilMs };
}

/** Weights of the others are changed so that all of them together have their part. */
function withParts(
  takers: readonly Endpoint[],
  { nearWeight, minHealthyPercent }: SpillOver,
  farWeight: number,
): readonly Endpoint[] {
  const near = takers.filter(({ candidate }) => candidate.far !== true);
  const far = takers.filter(({ candidate }) => candidate.far === true);
  if (near.length === 0 || far.length === 0) return takers;
  const nearAble = sumOfWeights(near);
  const farAble = sumOfWeights(far);
  const parts = spillOverParts(nearAble / nearWeight, farAble / farWeight, minHealthyPercent);
  if (parts.far === 0) return near;
  for (const endpoint of far) endpoint.weight *= (nearAble * parts.far) / (farAble * parts.near);
  return takers;
}

function sumOfWeights(endpoints: readonly Endpoint[]): number {
  return endpoints.reduce((sum, { weight }) => sum + weight, 0);
}
