/**
 * Rules of a route's document -> rules of the table, with what is wrong with their backends and filters. What the Service
 * that is dialled adds (its policies) comes later: a route may be attached to several.
 */
import type { RequestMatchDocument } from "../../protocol/documents/document.ts";
import type { ProblemCode } from "../../protocol/documents/problem.ts";
import type {
  BackendProblem,
  RequestCondition,
  RouteBackend,
  RouteFilters,
  RouteRule,
  RouteSession,
} from "../../protocol/route-table.ts";
import type { CompileProblem, CompileProblems } from "../compile-problems.ts";
import type { Names } from "../traced-names.ts";
import { compileCondition } from "./compile-condition.ts";
import { compileFilters, type ExtensionDocument, extensionName, type FilterDocument } from "./compile-filters.ts";
import { grpcMatch, type HttpMatch, httpMatch, type SpecificMatch, withCondition } from "./compile-matches.ts";
import { nearestOf } from "./nearest-of.ts";
import type { RequestPolicy } from "./request-policies.ts";
import type { BackendFault, BackendResolver } from "./resolve-backends.ts";
import type { RouteDocument } from "./route-parents.ts";

/** A rule as far as it does not depend on the Service that is dialled. */
export interface RulePart {
  readonly rule: Omit<RouteRule, keyof RequestPolicy>;
  readonly matches: readonly SpecificMatch[];
}

export interface RouteParts {
  readonly rules: readonly RulePart[];
  readonly faults: readonly BackendFault[];
}

type RuleDocument = RouteDocument["spec"]["rules"][number];
type BackendDocument = RuleDocument["backendRefs"][number];
type Path = readonly (string | number)[];

/** What rules may refer to. */
export interface RuleReferences {
  readonly resolver: BackendResolver;
  /** By `namespace/name`. */
  readonly requestMatches: Names<RequestMatchDocument>;
}

export function compileRules(route: RouteDocument, references: RuleReferences, problems: CompileProblems): RouteParts {
  const compiler = new RuleCompiler(route, references, problems);
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
  readonly #references: RuleReferences;
  readonly #problems: CompileProblems;

  constructor(route: RouteDocument, references: RuleReferences, problems: CompileProblems) {
    this.#route = route;
    this.#references = references;
    this.#problems = problems;
  }

  compile(document: RuleDocument, index: number): RulePart {
    const path = ["spec", "rules", index];
    const extension = document.filters.find(({ extensionRef }) => this.#requestMatch(extensionRef) !== undefined);
    const filters = this.#filters(document.filters, [...path, "filters"], extension);
    const condition = this.#condition(extension?.extensionRef);
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
      matches: matchesOf(this.#route, index).map((match) => withCondition(match, condition)),
    };
  }

  #requestMatch(extension: ExtensionDocument | undefined): RequestMatchDocument | undefined {
    if (extension === undefined || !isRequestMatch(extension)) return undefined;
    return this.#references.requestMatches.get(`${this.#route.metadata.namespace}/${extension.name}`);
  }

  #condition(extension: ExtensionDocument | undefined): RequestCondition | undefined {
    const document = this.#requestMatch(extension);
    if (document === undefined) return undefined;
    return compileCondition(document.spec, `${document.metadata.namespace}/${document.metadata.name}`);
  }

  #backend(document: BackendDocument, path: Path): RouteBackend {
    const { target, fault } = this.#references.resolver.resolve(this.#route, document);
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

  /** `condition` is none of the filters: it is in the matches. */
  #filters(documents: readonly FilterDocument[], path: Path, condition?: FilterDocument): RouteFilters | undefined {
    for (const [index, filter] of documents.entries()) {
      const { extensionRef } = filter;
      if (extensionRef === undefined || filter === condition) continue;
      this.#problems.add(this.#route, {
        path: [...path, index, "extensionRef"],
        ...this.#extensionFault(extensionRef, condition !== undefined),
      });
    }
    const others = documents.filter((filter) => filter !== condition);
    return compileFilters(others, (mirror) => {
      const { target, fault } = this.#references.resolver.resolve(this.#route, mirror.backendRef);
      if (fault === undefined) return target;
      const index = documents.findIndex(({ requestMirror }) => requestMirror === mirror);
      this.#fault(fault, [...path, index, "requestMirror", "backendRef"], true);
      return undefined;
    });
  }

  #extensionFault(extension: ExtensionDocument, second: boolean): Omit<CompileProblem, "path"> {
    if (!isRequestMatch(extension)) {
      const found = `extension ${extensionName(extension)}, which is not known`;
      return {
        code: "unknown-extension",
        found,
        expected: "a filter of the Gateway API, or RequestMatch of hawser.dev",
      };
    }
    if (this.#requestMatch(extension) !== undefined) {
      const found = second ? "a second RequestMatch" : "a RequestMatch of a backend";
      return { code: "wrong-value", found, expected: "one RequestMatch in a rule, among its own filters" };
    }
    const name = `${this.#route.metadata.namespace}/${extension.name}`;
    const expected = nearestOf(name, this.#references.requestMatches.keys(), "a RequestMatch of the route's namespace");
    return { code: "missing-target", found: `RequestMatch ${name}, which does not exist`, expected };
  }

  #fault(fault: BackendFault, path: Path, reported: boolean): void {
    this.faults.push(fault);
    if (!reported) return;
    const { problem, key, found, expected } = fault;
    this.#problems.add(this.#route, { code: PROBLEM_CODES[problem], path: [...path, key], found, expected });
  }
}

function isRequestMatch({ group, kind }: ExtensionDocument): boolean {
  return group === "hawser.dev" && kind === "RequestMatch";
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
