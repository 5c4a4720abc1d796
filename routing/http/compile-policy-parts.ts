/**
 * What TrafficPolicies say of requests -> the parts of a rule. Every part is taken as a whole from the first policy that
 * has it: the rule's, the route's, the Service's. (Timeouts and retries are merged value by value, in request-policies.ts.)
 */
import type { TrafficPolicyDocument } from "../../protocol/documents/document.ts";
import type {
  CircuitBreaker,
  Collapsing,
  ConcurrencyLimit,
  Fallback,
  Fault,
  Hedging,
  PolicyPart,
  Quota,
  RateLimit,
  RequestSizes,
  RetryBudget,
  RouteRule,
  RouteTarget,
} from "../../protocol/route-table.ts";
import { definedValues } from "../defined-values.ts";
import { compileCondition } from "./compile-condition.ts";

type PolicySpec = TrafficPolicyDocument["spec"];

export interface AppliedPolicy extends PolicyPart {
  readonly spec: PolicySpec;
  /** Of its fallback; undefined: it has none, or none that exists. */
  readonly fallbackTarget: RouteTarget | undefined;
  /** Its quota as all policies have it that share it. */
  readonly quota: Pick<Quota, "name" | "requests" | "perMs"> | undefined;
}

export type PolicyParts = Pick<
  RouteRule,
  "sizes" | "concurrency" | "breaker" | "rateLimits" | "quotas" | "faults" | "fallback" | "hedging" | "collapsing"
>;

/** The first policy comes first; `budget` is the one of the rule's retries. */
export function compilePolicyParts(policies: readonly AppliedPolicy[], budget: RetryBudget): PolicyParts {
  return definedValues({
    sizes: first(policies, "sizes", toSizes),
    concurrency: first(policies, "concurrency", toConcurrency),
    breaker: first(policies, "circuitBreaker", toBreaker),
    rateLimits: first(policies, "rateLimits", (limits, by) => limits.map((limit) => toRateLimit(limit, by))),
    quotas: first(policies, "quota", (_, by) => toQuotas(by)),
    faults: first(policies, "faults", (faults, by) => faults.map((fault) => toFault(fault, by))),
    fallback: first(policies, "fallback", toFallback),
    hedging: first(policies, "hedging", ({ after, attempts }, by): Hedging => {
      return { ...partOf(by), attempts, budget, ...(after === undefined ? {} : { afterMs: after }) };
    }),
    collapsing: first(policies, "collapse", toCollapsing),
  });
}

function first<K extends keyof PolicySpec, T>(
  policies: readonly AppliedPolicy[],
  key: K,
  compile: (part: NonNullable<PolicySpec[K]>, by: AppliedPolicy) => T,
): T | undefined {
  for (const policy of policies) {
    const part = policy.spec[key];
    if (part !== undefined) return compile(part, policy);
  }
  return undefined;
}

type Part<K extends keyof PolicySpec> = NonNullable<PolicySpec[K]>;

function partOf({ policy, scope }: PolicyPart): PolicyPart {
  return { policy, scope };
}

function toSizes({ requestBody, responseBody, requestHeaders }: Part<"sizes">, by: AppliedPolicy): RequestSizes {
  const bytes = { requestBytes: requestBody, responseBytes: responseBody, requestHeaderBytes: requestHeaders };
  return { ...partOf(by), ...definedValues(bytes) };
}

function toConcurrency({ maxWait, ...counts }: Part<"concurrency">, by: AppliedPolicy): ConcurrencyLimit {
  return { ...partOf(by), ...counts, maxWaitMs: maxWait };
}

function toBreaker({ window, openFor, ...others }: Part<"circuitBreaker">, by: AppliedPolicy): CircuitBreaker {
  return { ...partOf(by), ...others, windowMs: window, openMs: openFor };
}

function toRateLimit(limit: Part<"rateLimits">[number], applied: AppliedPolicy): RateLimit {
  const { requests, per, burst = requests, by } = limit;
  return { ...partOf(applied), requests, perMs: per, burst, ...(by === undefined ? {} : { by }) };
}

function toQuotas(by: AppliedPolicy): readonly Quota[] | undefined {
  return by.quota === undefined ? undefined : [{ ...partOf(by), ...by.quota }];
}

function toFault(fault: Part<"faults">[number], by: AppliedPolicy): Fault {
  const { percent, when, until, delay, abort, bandwidth } = fault;
  return {
    ...partOf(by),
    percent,
    untilMs: Date.parse(until),
    ...definedValues({
      when: when === undefined ? undefined : compileCondition(when, by.policy),
      delayMs: delay,
      abort: abort === undefined ? undefined : definedValues(abort),
      bytesPerSecond: bandwidth,
    }),
  };
}

function toFallback({ on, response, lastGood }: Part<"fallback">, by: AppliedPolicy): Fallback | undefined {
  const { fallbackTarget } = by;
  const instead = definedValues({
    response: response === undefined ? undefined : { ...response, headers: response.headers.map(toField) },
    backend: fallbackTarget,
    lastGoodMs: lastGood?.maxAge,
  });
  return Object.keys(instead).length === 0 ? undefined : { ...partOf(by), on, ...instead };
}

function toField({ name, value }: { readonly name: string; readonly value: string }): readonly [string, string] {
  return [name.toLowerCase(), value];
}

/** Whose answers must never become somebody else's. */
const ALWAYS_TOLD_APART = ["authorization", "cookie"];

function toCollapsing({ headers, maxWaiting }: Part<"collapse">, by: AppliedPolicy): Collapsing {
  const names = new Set([...ALWAYS_TOLD_APART, ...headers.map((name) => name.toLowerCase())]);
  return { ...partOf(by), headers: [...names], maxWaiting };
}
