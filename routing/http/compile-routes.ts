/**
 * HTTPRoutes, GRPCRoutes and the policies for them -> entries of the routing table, and what became of every route.
 *
 *   references to Services -> ports and groups -> rules with their backends and policies -> in order of precedence
 *
 * What is wrong with one backend or parent costs that one only; it is told as a condition and as a problem with its place.
 */
import type {
  ReferenceGrantDocument,
  ServiceDocument,
  TrafficPolicyDocument,
} from "../../protocol/documents/document.ts";
import type { RouteCondition, RouteParentStatus, RouteStatus } from "../../protocol/route-status.ts";
import type {
  RouteBackend,
  RouteEntry,
  RouteFilters,
  RouteMatch,
  RouteRule,
  RouteSession,
} from "../../protocol/route-table.ts";
import type { CompileProblems } from "../compile-problems.ts";
import { compareText } from "../compare-text.ts";
import { compileFilters, extensionName, type FilterDocument } from "./compile-filters.ts";
import { comparePrecedence, grpcMatch, httpMatch, type MatchPlace, type SpecificMatch } from "./compile-matches.ts";
import { nearestOf } from "./nearest-of.ts";
import { RequestPolicies } from "./request-policies.ts";
import { type BackendFault, BackendResolver } from "./resolve-backends.ts";
import { attachRoutes, byKey, groupKey, type RouteDocument, type RouteParent } from "./route-parents.ts";

export interface RouteInput {
  readonly services: readonly ServiceDocument[];
  readonly routes: readonly RouteDocument[];
  readonly policies: readonly TrafficPolicyDocument[];
  /** Given: Services of other namespaces may be used only where one of these says so. */
  readonly grants?: readonly ReferenceGrantDocument[];
}

export interface CompiledRoutes {
  /** Sorted by key. */
  readonly entries: readonly RouteEntry[];
  /** Of the routes that refer to a Service. */
  readonly statuses: readonly RouteStatus[];
}

export function compileRoutes(input: RouteInput, problems: CompileProblems): CompiledRoutes {
  const services = byKey(input.services);
  const parents = attachRoutes(input.routes, services);
  const policies = new RequestPolicies(input.policies, input.routes, problems);
  const attached = new Set(parents.map(({ route }) => route));
  const resolver = new BackendResolver(services, input.grants);
  const parts = new Map([...attached].map((route) => [route, compileRules(route, resolver, problems)]));
  for (const parent of parents) reportParent(parent, services, problems);
  return { entries: toEntries(parents, parts, policies), statuses: toStatuses(parents, parts) };
}

/** A rule as far as it does not depend on the Service that is dialled. */
interface RulePart {
  readonly rule: Omit<RouteRule, "timeouts" | "retry">;
  readonly matches: readonly SpecificMatch[];
}

interface RouteParts {
  readonly rules: readonly RulePart[];
  readonly faults: readonly BackendFault[];
}

type RuleDocument = RouteDocument["spec"]["rules"][number];
type BackendDocument = RuleDocument["backendRefs"][number];
type Path = readonly (string | number)[];

function compileRules(route: RouteDocument, resolver: BackendResolver, problems: CompileProblems): RouteParts {
  const compiler = new RuleCompiler(route, resolver, problems);
  const rules = route.spec.rules.map((rule, index) => compiler.compile(rule, index));
  return { rules, faults: compiler.faults };
}

class RuleCompiler {
  readonly faults: BackendFault[] = [];
  readonly #route: RouteDocument;
  readonly #resolver: BackendResolver;
  readonly #problems: CompileProblems;

  constructor(route: RouteDocument, resolver: BackendResolver, problems: CompileProblems) {
    this.#route = route;
    this.#resolver = resolver;
    this.#problems = problems;
  }

  compile(document: RuleDocument, index: number): RulePart {
    const path = ["spec", "rules", index];
    const filters = this.#filters(document.filters, [...path, "filters"]);
    const { namespace, name } = this.#route.metadata;
    const session = toSession(document, `hawser-${namespace}-${name}-${document.name ?? index}`);
    return {
      rule: {
        route: `${namespace}/${name}`,
        index,
        ...(document.name === undefined ? {} : { name: document.name }),
        ...(filters === undefined ? {} : { filters }),
        backends: document.backendRefs.map((backend, at) => this.#backend(backend, [...path, "backendRefs", at])),
        ...(session === undefined ? {} : { session }),
      },
      matches: matchesOf(this.#route, index),
    };
  }

  #backend(document: BackendDocument, path: Path): RouteBackend {
    const { target, fault } = this.#resolver.resolve(this.#route, document);
    // A backend without a share is a usual step of a rollout, and may be gone already.
    if (fault !== undefined) this.#fault(fault, path, document.weight > 0);
    const filters = this.#filters(document.filters ?? [], [...path, "filters"]);
    return {
      ...target,
      weight: document.weight,
      ...(fault === undefined ? {} : { problem: fault.problem }),
      ...(filters === undefined ? {} : { filters }),
    };
  }

  #filters(documents: readonly FilterDocument[], path: Path): RouteFilters | undefined {
    for (const [index, { extensionRef }] of documents.entries()) {
      if (extensionRef === undefined) continue;
      const found = `extension ${extensionName(extensionRef)}, which is not known`;
      const about = { found, expected: "a filter of the Gateway API" };
      this.#problems.add(this.#route, { code: "unknown-extension", path: [...path, index, "extensionRef"], ...about });
    }
    return compileFilters(documents, (mirror) => {
      const { target, fault } = this.#resolver.resolve(this.#route, mirror.backendRef);
      if (fault === undefined) return target;
      const index = documents.findIndex(({ requestMirror }) => requestMirror === mirror);
      this.#fault(fault, [...path, index, "requestMirror", "backendRef"], true);
      return undefined;
    });
  }

  #fault(fault: BackendFault, path: Path, reported: boolean): void {
    this.faults.push(fault);
    if (!reported) return;
    const { problem, key, found, expected } = fault;
    const code =
      problem === "RefNotPermitted"
        ? "not-permitted"
        : problem === "BackendNotFound"
          ? "missing-target"
          : "wrong-value";
    this.#problems.add(this.#route, { code, path: [...path, key], found, expected });
  }
}

function matchesOf(route: RouteDocument, index: number): readonly SpecificMatch[] {
  if (route.kind === "HTTPRoute") return (route.spec.rules[index]?.matches ?? []).map(httpMatch);
  const matches = route.spec.rules[index]?.matches ?? [];
  return matches.length === 0 ? [grpcMatch({ headers: [] })] : matches.map(grpcMatch);
}

function toSession({ sessionPersistence }: RuleDocument, cookieName: string): RouteSession | undefined {
  if (sessionPersistence === undefined) return undefined;
  const { cookie, header, absoluteTimeout } = sessionPersistence;
  const timeout = absoluteTimeout === undefined ? {} : { timeoutMs: absoluteTimeout };
  if (header !== undefined) return { type: "header", name: header.name.toLowerCase(), ...timeout };
  const permanent = cookie?.lifetimeType === "Permanent";
  return { type: "cookie", name: cookie?.name ?? cookieName, path: cookie?.path ?? "/", permanent, ...timeout };
}

function toEntries(
  parents: readonly RouteParent[],
  parts: ReadonlyMap<RouteDocument, RouteParts>,
  policies: RequestPolicies,
): readonly RouteEntry[] {
  const groups = new Map<string, { parent: RouteParent; port: number; routes: Set<RouteDocument> }>();
  for (const parent of parents) {
    for (const port of parent.ports) {
      const key = groupKey(parent.service, port, parent.consumer);
      const group = groups.get(key) ?? { parent, port, routes: new Set<RouteDocument>() };
      groups.set(key, group);
      // Once, also when two references of a route lead to the port.
      group.routes.add(parent.route);
    }
  }
  const entries = [...groups].map(([key, { parent, port, routes }]): RouteEntry => {
    const { service, consumer, route } = parent;
    const merged = mergeRoutes([...routes], parts, policies, service);
    return { key, service, port, ...(consumer === undefined ? {} : { consumer }), kind: route.kind, ...merged };
  });
  return entries.sort((a, b) => compareText(a.key, b.key));
}

function mergeRoutes(
  routes: readonly RouteDocument[],
  parts: ReadonlyMap<RouteDocument, RouteParts>,
  policies: RequestPolicies,
  service: string,
): Pick<RouteEntry, "rules" | "matches"> {
  const rules: RouteRule[] = [];
  const places: (MatchPlace & { readonly position: number })[] = [];
  for (const route of routes) {
    for (const { rule, matches } of parts.get(route)?.rules ?? []) {
      const document = route.spec.rules[rule.index];
      if (document === undefined) continue;
      const { creationTimestamp: created } = route.metadata;
      const where = { created, route: rule.route, rule: rule.index, position: rules.length };
      places.push(...matches.map((match, index) => ({ ...where, match, index })));
      rules.push({ ...rule, ...policies.compile(route, document, service) });
    }
  }
  places.sort(comparePrecedence);
  return { rules, matches: places.map(({ match, position, index }) => toMatch(match, position, index)) };
}

function toMatch({ specificity: _, ...match }: SpecificMatch, rule: number, index: number): RouteMatch {
  return { rule, index, ...match };
}

function reportParent(
  { route, index, service, reason, message, wrongKey, ref }: RouteParent,
  services: ReadonlyMap<string, ServiceDocument>,
  problems: CompileProblems,
): void {
  const path = ["spec", "parentRefs", index];
  if (reason === "Conflicted") {
    const expected = "one kind of route on a port";
    problems.add(route, { code: "conflicting-route", path, found: message, expected, message });
  } else if (reason === "NoMatchingParent" && wrongKey !== undefined) {
    const expected = services.has(service)
      ? "a port of a Service with an address"
      : nearestOf(service, services.keys(), "an existing Service");
    const found = services.has(service) && wrongKey !== "name" ? `${wrongKey} ${ref[wrongKey] ?? ""}` : message;
    problems.add(route, { code: "missing-target", path: [...path, wrongKey], found, expected, message });
  }
}

function toStatuses(
  parents: readonly RouteParent[],
  parts: ReadonlyMap<RouteDocument, RouteParts>,
): readonly RouteStatus[] {
  return [...parts].map(([route, { faults }]) => {
    const { namespace, name, generation } = route.metadata;
    const own = parents.filter((parent) => parent.route === route);
    return {
      kind: route.kind,
      namespace,
      name,
      ...(generation === undefined ? {} : { generation }),
      parents: own.map((parent) => toParentStatus(parent, faults)),
    };
  });
}

function toParentStatus({ ref, reason, message }: RouteParent, faults: readonly BackendFault[]): RouteParentStatus {
  const status = reason === "Accepted" ? "True" : "False";
  return { parentRef: ref, conditions: [{ type: "Accepted", status, reason, message }, resolvedRefs(faults)] };
}

function resolvedRefs([fault]: readonly BackendFault[]): RouteCondition {
  if (fault === undefined) {
    return { type: "ResolvedRefs", status: "True", reason: "ResolvedRefs", message: "all backends are there" };
  }
  const message = `expected ${fault.expected}, found ${fault.found}`;
  return { type: "ResolvedRefs", status: "False", reason: fault.problem, message };
}
