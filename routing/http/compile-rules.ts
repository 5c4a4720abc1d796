/**
 * Rules of a route's document -> rules of the table, with what is wrong with their backends and filters. What the Service
 * that is dialled adds (its policies) comes later: a route may be attached to several.
 */
import type { ProblemCode } from "../../protocol/documents/problem.ts";
import type {
  BackendProblem,
  RouteBackend,
  RouteFilters,
  RouteRule,
  RouteSession,
} from "../../protocol/route-table.ts";
import type { CompileProblems } from "../compile-problems.ts";
import { compileFilters, extensionName, type FilterDocument } from "./compile-filters.ts";
import { grpcMatch, type HttpMatch, httpMatch, type SpecificMatch } from "./compile-matches.ts";
import type { BackendFault, BackendResolver } from "./resolve-backends.ts";
import type { RouteDocument } from "./route-parents.ts";

/** A rule as far as it does not depend on the Service that is dialled. */
export interface RulePart {
  readonly rule: Omit<RouteRule, "timeouts" | "retry">;
  readonly matches: readonly SpecificMatch[];
}

export interface RouteParts {
  readonly rules: readonly RulePart[];
  readonly faults: readonly BackendFault[];
}

type RuleDocument = RouteDocument["spec"]["rules"][number];
type BackendDocument = RuleDocument["backendRefs"][number];
type Path = readonly (string | number)[];

export function compileRules(route: RouteDocument, resolver: BackendResolver, problems: CompileProblems): RouteParts {
  const compiler = new RuleCompiler(route, resolver, problems);
  const rules = route.spec.rules.map((rule, index) => compiler.compile(rule, index));
  return { rules, faults: compiler.faults };
}

const PROBLEM_CODES: Readonly<Record<BackendProblem, ProblemCode>> = {
  InvalidKind: "wrong-value",
  BackendNotFound: "missing-target",
  RefNotPermitted: "not-permitted",
  UnsupportedProtocol: "wrong-value",
};

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
    this.#problems.add(this.#route, { code: PROBLEM_CODES[problem], path: [...path, key], found, expected });
  }
}

/** A rule without matches is for every request. */
function matchesOf(route: RouteDocument, index: number): readonly SpecificMatch[] {
  if (route.kind === "GRPCRoute") {
    const matches = route.spec.rules[index]?.matches ?? [];
    return matches.length === 0 ? [grpcMatch({ headers: [] })] : matches.map(grpcMatch);
  }
  const matches = route.spec.rules[index]?.matches ?? [];
  return (matches.length === 0 ? [EVERYTHING] : matches).map(httpMatch);
}

const EVERYTHING: HttpMatch = { path: { type: "PathPrefix", value: "/" }, headers: [], queryParams: [] };

function toSession({ sessionPersistence }: RuleDocument, cookieName: string): RouteSession | undefined {
  if (sessionPersistence === undefined) return undefined;
  const { cookie, header, absoluteTimeout } = sessionPersistence;
  const timeout = absoluteTimeout === undefined ? {} : { timeoutMs: absoluteTimeout };
  if (header !== undefined) return { type: "header", name: header.name.toLowerCase(), ...timeout };
  const permanent = cookie?.lifetimeType === "Permanent";
  return { type: "cookie", name: cookie?.name ?? cookieName, path: cookie?.path ?? "/", permanent, ...timeout };
}
