/**
 * HTTPRoutes, GRPCRoutes and the policies for them -> entries of the routing table, and what became of every route.
 *
 *   references to Services -> ports and groups -> rules with their backends and policies -> in order of precedence
 *
 * What is wrong with one backend or parent costs that one only; it is told as a condition and as a problem with its place.
 */
import type {
  Document,
  ReferenceGrantDocument,
  RequestMatchDocument,
  ServiceDocument,
  SubsetDocument,
  TrafficPolicyDocument,
} from "../../protocol/documents/document.ts";
import type { Problem } from "../../protocol/documents/problem.ts";
import type { RouteStatus } from "../../protocol/route-status.ts";
import type { RouteEntry, RouteMatch, RouteRule } from "../../protocol/route-table.ts";
import { CompileProblems, documentName } from "../compile-problems.ts";
import { compareText } from "../compare-text.ts";
import { isKind } from "../is-kind.ts";
import { KeptResults } from "../kept-results.ts";
import { Trace, TracedNames } from "../traced-names.ts";
import { comparePrecedence, type MatchPlace, type SpecificMatch } from "./compile-matches.ts";
import { compileRules, type RouteParts, type RuleReferences } from "./compile-rules.ts";
import { compileUnrouted } from "./compile-unrouted.ts";
import { nearestOf } from "./nearest-of.ts";
import { RequestPolicies } from "./request-policies.ts";
import { BackendResolver } from "./resolve-backends.ts";
import { attachRoutes, type RouteDocument, type RouteParent } from "./route-parents.ts";
import { routeKey } from "./route-key.ts";
import { routeStatuses } from "./route-statuses.ts";

export interface RouteInput {
  readonly services: readonly ServiceDocument[];
  readonly routes: readonly RouteDocument[];
  readonly policies: readonly TrafficPolicyDocument[];
  readonly subsets: readonly SubsetDocument[];
  readonly requestMatches: readonly RequestMatchDocument[];
  /** Given: Services of other namespaces may be used only where one of these says so. */
  readonly grants?: readonly ReferenceGrantDocument[];
}

/** What of all documents is about routes. Grants are not asked for (GEP-1294, Namespace boundaries). */
export function routeInput(documents: readonly Document[]): RouteInput {
  return {
    services: documents.filter(isKind("Service")),
    routes: documents.filter(isKind("HTTPRoute", "GRPCRoute")),
    policies: documents.filter(isKind("TrafficPolicy")),
    subsets: documents.filter(isKind("Subset")),
    requestMatches: documents.filter(isKind("RequestMatch")),
  };
}

export interface CompiledRoutes {
  /** Sorted by key. */
  readonly entries: readonly RouteEntry[];
  /** Of the routes that refer to a Service. Made when asked for: only few need them. */
  readonly statuses: readonly RouteStatus[];
  readonly problems: readonly Problem[];
}

export function compileRoutes(input: RouteInput): CompiledRoutes {
  return new RouteCompiler().compile(input);
}

/** For one state after the other: what a change does not concern stays the same object. */
export class RouteCompiler {
  readonly #trace = new Trace();
  readonly #services = new TracedNames<ServiceDocument>(this.#trace);
  readonly #subsets = new TracedNames<SubsetDocument>(this.#trace);
  readonly #requestMatches = new TracedNames<RequestMatchDocument>(this.#trace);
  readonly #policies = new RequestPolicies(this.#trace);
  readonly #parts = new KeptResults<RouteParts>(this.#trace);
  readonly #entries = new KeptResults<RouteEntry>(this.#trace);
  readonly #unrouted = new KeptResults<readonly RouteEntry[]>(this.#trace);

  compile(input: RouteInput): CompiledRoutes {
    const problems = new CompileProblems();
    const services = byName(input.services);
    this.#services.replace(services);
    this.#subsets.replace(byName(input.subsets));
    this.#requestMatches.replace(byName(input.requestMatches));
    const routes = inOrder(input.routes);
    const parents = attachRoutes(routes, services);
    const resolver = new BackendResolver({ services: this.#services, subsets: this.#subsets, grants: input.grants });
    this.#policies.replace({ policies: inOrder(input.policies), routes, resolver }, problems);
    const parts = this.#compileParts(
      parents,
      { resolver, requestMatches: this.#requestMatches },
      input.grants,
      problems,
    );
    for (const parent of parents) reportParent(parent, services, problems);
    const ofRoutes = this.#compileEntries(parents, parts, problems);
    for (const entry of ofRoutes) reportBytes(entry, this.#policies.ofServices.get(entry.service), problems);
    const ofPolicies = this.#compileUnrouted(services, ofRoutes, problems);
    const entries = [...ofRoutes, ...ofPolicies].sort((a, b) => compareText(a.key, b.key));
    return {
      entries,
      get statuses() {
        return routeStatuses(parents, parts);
      },
      problems: problems.list,
    };
  }

  #compileParts(
    parents: readonly RouteParent[],
    references: RuleReferences,
    grants: RouteInput["grants"],
    problems: CompileProblems,
  ): ReadonlyMap<RouteDocument, RouteParts> {
    this.#parts.begin(problems);
    const attached = new Set(parents.map(({ route }) => route));
    return new Map(
      [...attached].map((route) => {
        const compute = (found: CompileProblems) => compileRules(route, references, found);
        return [route, this.#parts.get(documentName(route), [route, grants], compute)];
      }),
    );
  }

  #compileEntries(
    parents: readonly RouteParent[],
    parts: ReadonlyMap<RouteDocument, RouteParts>,
    problems: CompileProblems,
  ): readonly RouteEntry[] {
    this.#entries.begin(problems);
    return [...groupRoutes(parents)].map(([key, group]) => {
      const routes = [...group.routes];
      const inputs = [...routes, ...routes.map((route) => parts.get(route))];
      return this.#entries.get(key, inputs, () => toEntry(key, group, parts, this.#policies));
    });
  }

  /** `routed`: entries of routes, which have the policies in them already. */
  #compileUnrouted(
    services: ReadonlyMap<string, ServiceDocument>,
    routed: readonly RouteEntry[],
    problems: CompileProblems,
  ): readonly RouteEntry[] {
    this.#unrouted.begin(problems);
    const taken = new Set(routed.map(({ key }) => key));
    return [...this.#policies.ofServices].flatMap(([key, policy]) => {
      const service = services.get(key);
      if (service === undefined) return [];
      const compute = (found: CompileProblems) => compileUnrouted(this.#policies, service, policy, found);
      return this.#unrouted.get(key, [service, policy], compute).filter((entry) => !taken.has(entry.key));
    });
  }
}

function byName<T extends ServiceDocument | SubsetDocument | RequestMatchDocument>(
  documents: readonly T[],
): ReadonlyMap<string, T> {
  return new Map(documents.map((document) => [`${document.metadata.namespace}/${document.metadata.name}`, document]));
}

/** By name: equal documents in any order of files give equal entries. */
function inOrder<T extends Document>(documents: readonly T[]): readonly T[] {
  const named = documents.map((document) => ({ name: documentName(document), document }));
  return named.sort((a, b) => compareText(a.name, b.name)).map(({ document }) => document);
}

/** The routes of one port, for one group of callers. */
interface RouteGroup {
  readonly parent: RouteParent;
  readonly port: number;
  readonly routes: Set<RouteDocument>;
}

function groupRoutes(parents: readonly RouteParent[]): ReadonlyMap<string, RouteGroup> {
  const groups = new Map<string, RouteGroup>();
  for (const parent of parents) {
    for (const port of parent.ports) {
      const key = routeKey(parent.service, port, parent.consumer);
      const group = groups.get(key) ?? { parent, port, routes: new Set<RouteDocument>() };
      groups.set(key, group);
      // Once, also when two references of a route lead to the port.
      group.routes.add(parent.route);
    }
  }
  return groups;
}

function toEntry(
  key: string,
  { parent, port, routes }: RouteGroup,
  parts: ReadonlyMap<RouteDocument, RouteParts>,
  policies: RequestPolicies,
): RouteEntry {
  const { service, consumer, route } = parent;
  const merged = mergeRoutes([...routes], parts, policies, service);
  return { key, service, port, ...(consumer === undefined ? {} : { consumer }), kind: route.kind, ...merged };
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

function toMatch({ path, method, headers, query, when }: SpecificMatch, rule: number, index: number): RouteMatch {
  return {
    rule,
    index,
    path,
    ...(method === undefined ? {} : { method }),
    ...(headers === undefined ? {} : { headers }),
    ...(query === undefined ? {} : { query }),
    ...(when === undefined ? {} : { when }),
  };
}

/** Of two documents that contradict each other, the policy is the one that says it of the protocol itself. */
function reportBytes(
  { service, port, kind, rules }: RouteEntry,
  policy: TrafficPolicyDocument | undefined,
  problems: CompileProblems,
): void {
  if (policy?.spec.protocol !== "tcp") return;
  const found = `protocol tcp for Service ${service}, whose port ${port} has ${kind} ${rules[0]?.route ?? ""}`;
  const expected = "a protocol with requests, or no route: with tcp nobody looks for them";
  problems.add(policy, { code: "conflicting-route", path: ["spec", "protocol"], found, expected });
}

function reportParent(
  { route, index, service, reason, message, wrongKey }: RouteParent,
  services: ReadonlyMap<string, ServiceDocument>,
  problems: CompileProblems,
): void {
  const path = ["spec", "parentRefs", index];
  if (reason === "Conflicted") {
    const expected = "one kind of route on a port";
    problems.add(route, { code: "conflicting-route", path, found: message, expected, message });
  } else if (reason === "NoMatchingParent" && wrongKey !== undefined) {
    const known = services.has(service);
    const expected = known
      ? "a TCP port of a Service with an address"
      : nearestOf(service, services.keys(), "an existing Service");
    const about = known ? { found: message, message } : { found: `Service ${service}, which does not exist` };
    problems.add(route, { code: "missing-target", path: [...path, wrongKey], expected, ...about });
  }
}
