/**
 * What policies say of requests. A rule's own timeouts and retries come first, then the TrafficPolicy of the rule, of its
 * route, and of the Service that is dialled. Of timeouts and retries each value is taken from the first that has it, every
 * other part as a whole.
 */
import type { TrafficPolicyDocument } from "../../protocol/documents/document.ts";
import type { RetryBudget, RetryReason, RouteRetry, RouteRule, RouteTimeouts } from "../../protocol/route-table.ts";
import { type CompileProblems, placeOfDocument } from "../compile-problems.ts";
import { KeptResults } from "../kept-results.ts";
import { type Trace, TracedNames } from "../traced-names.ts";
import { type AppliedPolicy, compilePolicyParts, type PolicyParts } from "./compile-policy-parts.ts";
import { nearestOf } from "./nearest-of.ts";
import { quotaHolders, quotaValue } from "./quota-values.ts";
import type { BackendResolver } from "./resolve-backends.ts";
import type { RouteDocument } from "./route-parents.ts";

type PolicySpec = TrafficPolicyDocument["spec"];
type HttpRule = Extract<RouteDocument, { kind: "HTTPRoute" }>["spec"]["rules"][number];

const DEFAULT_ATTEMPTS = 1;
const DEFAULT_BACKOFF_MS = 25;
/** A retry stanza is for failed connections too, whatever its codes (GEP-1731). */
const CONNECTION_ERRORS: readonly RetryReason[] = ["connect-failure", "reset", "refused-stream"];
/** GEP-3388. */
const DEFAULT_BUDGET: RetryBudget = { percent: 20, intervalMs: 10_000, minRetries: 10, minRetriesIntervalMs: 1_000 };

/** What of a rule comes from policies. */
export type RequestPolicy = PolicyParts & Pick<RouteRule, "timeouts" | "retry">;

export interface PolicyInput {
  /** In the order of their names: of two for one target, or two values of a quota, the first holds. */
  readonly policies: readonly TrafficPolicyDocument[];
  readonly routes: readonly RouteDocument[];
  readonly resolver: BackendResolver;
}

/** What a policy has looked up is traced, and so is who looks a policy up. */
export class RequestPolicies {
  /** By `Service shop/catalog`, `HTTPRoute shop/catalog`, `HTTPRoute shop/catalog rule`. */
  readonly #policies: TracedNames<AppliedPolicy>;
  readonly #quotaHolders: TracedNames<TrafficPolicyDocument>;
  readonly #applied: KeptResults<AppliedPolicy>;
  #ofServices: ReadonlyMap<string, TrafficPolicyDocument> = new Map();

  constructor(trace: Trace) {
    this.#policies = new TracedNames(trace);
    this.#quotaHolders = new TracedNames(trace);
    this.#applied = new KeptResults(trace);
  }

  /** All of them. */
  replace({ policies, routes, resolver }: PolicyInput, problems: CompileProblems): void {
    const documents = assignTargets(policies, routes, problems);
    this.#quotaHolders.replace(quotaHolders(documents.values()));
    this.#applied.begin(problems);
    const applied = new Map<string, AppliedPolicy>();
    const ofServices = new Map<string, TrafficPolicyDocument>();
    for (const [target, policy] of documents) {
      const apply = (found: CompileProblems) => this.#apply(policy, target, resolver, found);
      applied.set(target, this.#applied.get(target, [policy], apply));
      const { kind, name } = policy.spec.targetRef;
      if (kind === "Service") ofServices.set(`${policy.metadata.namespace}/${name}`, policy);
    }
    this.#policies.replace(applied);
    this.#ofServices = ofServices;
  }

  #apply(
    policy: TrafficPolicyDocument,
    target: string,
    resolver: BackendResolver,
    problems: CompileProblems,
  ): AppliedPolicy {
    return {
      policy: nameOfPolicy(policy),
      scope: target,
      spec: policy.spec,
      fallbackTarget: resolver.resolveFallback(policy, problems),
      quota: quotaValue(policy, this.#quotaHolders, problems),
    };
  }

  /** What a rule says and does not say, for requests to `service`. */
  compile(route: RouteDocument, rule: RouteDocument["spec"]["rules"][number], service: string): RequestPolicy {
    const name = nameOf(route);
    const targets = [...(rule.name === undefined ? [] : [`${name} ${rule.name}`]), name, `Service ${service}`];
    return this.#compile(targets, route.kind === "HTTPRoute" ? (rule as HttpRule) : undefined);
  }

  /** Of requests to a Service that are under no route; empty when its policy says nothing of requests. */
  compileService(service: string): RequestPolicy {
    return this.#compile([`Service ${service}`], undefined);
  }

  /** Key of the Service -> the policy for it. */
  get ofServices(): ReadonlyMap<string, TrafficPolicyDocument> {
    return this.#ofServices;
  }

  #compile(targets: readonly string[], own: HttpRule | undefined): RequestPolicy {
    const applied = targets.map((target) => this.#policies.get(target)).filter((policy) => policy !== undefined);
    if (applied.length === 0 && own === undefined) return {};
    const specs = applied.map(({ spec }) => spec);
    const timeouts = compileTimeouts(own?.timeouts, specs);
    const retry = compileRetry(own?.retry, specs);
    return {
      ...(timeouts === undefined ? {} : { timeouts }),
      ...(retry === undefined ? {} : { retry }),
      ...compilePolicyParts(applied, compileBudget(specs)),
    };
  }
}

/** What each policy is for -> the policy. */
function assignTargets(
  policies: readonly TrafficPolicyDocument[],
  routes: readonly RouteDocument[],
  problems: CompileProblems,
): ReadonlyMap<string, TrafficPolicyDocument> {
  const targets = new Set(routes.flatMap(targetsOf));
  const documents = new Map<string, TrafficPolicyDocument>();
  for (const policy of policies) {
    const target = targetOf(policy);
    const earlier = documents.get(target);
    const ofService = policy.spec.targetRef.kind === "Service";
    if (!ofService && !targets.has(target)) missingTarget(policy, target, routes, problems);
    else if (earlier === undefined) documents.set(target, policy);
    // What is wrong with those of Services is found where Services are compiled.
    else if (!ofService) conflict(policy, target, earlier, problems);
  }
  return documents;
}

function nameOf({ kind, metadata }: RouteDocument): string {
  return `${kind} ${metadata.namespace}/${metadata.name}`;
}

export function nameOfPolicy({ metadata }: TrafficPolicyDocument): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function targetsOf(route: RouteDocument): readonly string[] {
  const name = nameOf(route);
  return [name, ...route.spec.rules.flatMap((rule) => (rule.name === undefined ? [] : [`${name} ${rule.name}`]))];
}

function targetOf({ metadata, spec: { targetRef } }: TrafficPolicyDocument): string {
  const target = `${targetRef.kind} ${metadata.namespace}/${targetRef.name}`;
  return targetRef.sectionName === undefined ? target : `${target} ${targetRef.sectionName}`;
}

function missingTarget(
  policy: TrafficPolicyDocument,
  target: string,
  routes: readonly RouteDocument[],
  problems: CompileProblems,
): void {
  const { targetRef } = policy.spec;
  const route = routes.find((each) => target.startsWith(`${nameOf(each)} `));
  if (route !== undefined) {
    const names = route.spec.rules.map((rule) => rule.name).filter((name) => name !== undefined);
    const expected =
      names.length === 0 ? `a rule with a name, ${nameOf(route)} has none` : `one of the rules ${names.join(", ")}`;
    const found = `rule ${targetRef.sectionName ?? ""}, which does not exist`;
    problems.add(policy, { code: "missing-target", path: ["spec", "targetRef", "sectionName"], found, expected });
    return;
  }
  const known = routes
    .filter(({ kind }) => kind === targetRef.kind)
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  const expected = nearestOf(
    `${policy.metadata.namespace}/${targetRef.name}`,
    known,
    `a ${targetRef.kind} of its namespace`,
  );
  const found = `${target}, which does not exist`;
  problems.add(policy, { code: "missing-target", path: ["spec", "targetRef", "name"], found, expected });
}

function conflict(
  policy: TrafficPolicyDocument,
  target: string,
  earlier: TrafficPolicyDocument,
  problems: CompileProblems,
): void {
  const expected = `one, the first is ${earlier.metadata.name} (${placeOfDocument(earlier)})`;
  const found = `a second TrafficPolicy for ${target}`;
  problems.add(policy, { code: "conflicting-policy", path: ["spec", "targetRef", "name"], found, expected });
}

function compileTimeouts(own: HttpRule["timeouts"], specs: readonly PolicySpec[]): RouteTimeouts | undefined {
  const given: readonly RouteTimeoutValues[] = [
    { requestMs: own?.request, perTryMs: own?.backendRequest },
    ...specs.map(({ timeouts = {} }) => timeouts),
  ];
  const timeouts: Record<string, number> = {};
  for (const key of ["requestMs", "perTryMs", "connectMs", "idleMs"] as const) {
    const value = given.find((each) => each[key] !== undefined)?.[key];
    if (value !== undefined) timeouts[key] = value;
  }
  return Object.keys(timeouts).length === 0 ? undefined : timeouts;
}

type RouteTimeoutValues = { readonly [K in keyof RouteTimeouts]: RouteTimeouts[K] | undefined };

/** Undefined: no retries. */
function compileRetry(own: HttpRule["retry"], specs: readonly PolicySpec[]): RouteRetry | undefined {
  const policies = specs.map(({ retries }) => retries).filter((retries) => retries !== undefined);
  if (own === undefined && policies.length === 0) return undefined;
  const attempts = own?.attempts ?? first(policies, "attempts") ?? DEFAULT_ATTEMPTS;
  if (attempts === 0) return undefined;
  const on =
    own?.codes === undefined ? (first(policies, "on") ?? CONNECTION_ERRORS) : [...CONNECTION_ERRORS, ...own.codes];
  return {
    attempts,
    on,
    backoffMs: own?.backoff ?? first(policies, "backoffMs") ?? DEFAULT_BACKOFF_MS,
    budget: compileBudget(specs),
  };
}

/** Also of what is no retry, but more traffic all the same. */
function compileBudget(specs: readonly PolicySpec[]): RetryBudget {
  return specs.find(({ retries }) => retries?.budget !== undefined)?.retries?.budget ?? DEFAULT_BUDGET;
}

function first<T, K extends keyof T>(values: readonly T[], key: K): T[K] | undefined {
  return values.find((value) => value[key] !== undefined)?.[key];
}
