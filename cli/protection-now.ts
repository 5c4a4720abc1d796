/** How breakers, limits and quotas stand at one agent, in a few words each (pure). */
import { isDeepStrictEqual } from "node:util";
import type { LiveBreaker, LiveProtection } from "../protocol/live-state.ts";
import type { CircuitBreaker, ConcurrencyLimit, Quota, RateLimit } from "../protocol/route-table.ts";

/** State begins with the first request. */
const UNUSED = "unused: no request has met it";
const MS_PER_SECOND = 1_000;
const PERCENT = 100;
/** In the order of what a person wants to know of several workers. */
const STATES = ["open", "half-open", "closed"] as const;

export function concurrencyNow({ scope }: ConcurrencyLimit, { gates }: LiveProtection): string {
  const seen = gates.filter((each) => each.scope === scope);
  if (seen.length === 0) return UNUSED;
  const inside = sum(seen, (each) => each.inside);
  return `${inside} at once, ${sum(seen, (each) => each.waiting)} waiting`;
}

/** Workers judge each for itself: a state for each that there is. */
export function breakerNow({ scope }: CircuitBreaker, { breakers }: LiveProtection): string {
  const seen = breakers.filter((each) => each.scope === scope);
  if (seen.length === 0) return UNUSED;
  const texts = STATES.flatMap((state) => {
    const such = seen.filter((each) => each.state === state);
    if (such.length === 0) return [];
    const workers = such.length === seen.length ? "" : ` in ${such.length} of ${seen.length} workers`;
    return [`${state}${workers}${failedText(such)}${nextText(such)}`];
  });
  return texts.join("; ");
}

export function rateNow(limit: RateLimit, { rates }: LiveProtection): string {
  const seen = rates.filter((each) => each.scope === limit.scope && isDeepStrictEqual(each.limit, limit));
  if (seen.length === 0) return UNUSED;
  const burst = sum(seen, (each) => each.burst);
  const left = `${rounded(sum(seen, (each) => each.left))} of ${rounded(burst)} at once left`;
  if (limit.by === undefined) return left;
  const valued = seen.flatMap(({ values }) => values ?? []);
  const busiest = Math.min(...valued.map(({ fewestLeft }) => fewestLeft));
  const values = sum(valued, ({ count }) => count);
  const least = values === 0 ? "" : `, the busiest has ${rounded(busiest)} left`;
  return `${values} values told apart${least}; without a value ${left}`;
}

export function quotaNow({ name }: Quota, { quotas }: LiveProtection): string {
  const state = quotas.find((each) => each.name === name);
  if (state === undefined) return "unused: no request of late";
  const { standing, share, leaseEndsInMs = 0 } = state;
  const has = `${rounded(share)} for this agent`;
  switch (standing) {
    case "leased":
      return `${has}, leased for ${seconds(leaseEndsInMs)} more unless renewed`;
    case "asking":
      return `${has}, a part of the reserve: the controller has not answered yet`;
    case "alone":
      return `${has}, its even part: no controller answers`;
  }
}

function failedText(such: readonly LiveBreaker[]): string {
  const requests = sum(such, (each) => each.requests);
  if (requests === 0) return ", no requests in its window";
  const errors = sum(such, (each) => each.errors);
  const after = such[0]?.state === "closed" ? "," : " after";
  return `${after} ${rounded((errors / requests) * PERCENT)} % errors of ${requests} requests`;
}

function nextText(such: readonly LiveBreaker[]): string {
  const [first] = such;
  if (first === undefined || first.state === "closed") return "";
  const soonestMs = Math.min(...such.map(({ closedForMs }) => closedForMs));
  const next = soonestMs === 0 ? ", the next request finds out" : `, ${seconds(soonestMs)} until one finds out`;
  if (first.state === "open") return next;
  const good = sum(such, ({ probes }) => probes?.good ?? 0);
  return `, ${good} of ${sum(such, ({ probes }) => probes?.wanted ?? 0)} good so far${next}`;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

/** To a tenth. */
function rounded(value: number): number {
  return Number(value.toFixed(1));
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / MS_PER_SECOND)} s`;
}
