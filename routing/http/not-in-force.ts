/**
 * What can be written and is not carried out in this version. It is told as `not-supported` where a table is compiled, and
 * as a condition of the route, so that nobody takes for granted what does not happen. Checking and explaining it works all
 * the same.
 *
 * A route that has any of it holds nowhere: half a route would be another one than was written.
 */
import type { Document, TrafficPolicyDocument } from "../../protocol/documents/document.ts";
import { type CompileProblems, documentName } from "../compile-problems.ts";
import type { FilterDocument } from "./compile-filters.ts";
import type { RouteDocument, UnservedRoutes } from "./route-parents.ts";

type Path = readonly (string | number)[];
type PolicySpec = TrafficPolicyDocument["spec"];
type RuleDocument = RouteDocument["spec"]["rules"][number];

/** What is told of one place in a document. */
interface NotInForce {
  readonly path: Path;
  readonly found: string;
  readonly why: string;
}

/** Of TrafficPolicies: key in `spec`, and whether it is there. Whoever carries out one of them takes its line away. */
const POLICY_PARTS: readonly (readonly [key: string, of: (spec: PolicySpec) => unknown])[] = [
  ["concurrency", (spec) => spec.concurrency],
  ["circuitBreaker", (spec) => spec.circuitBreaker],
  ["rateLimits", (spec) => spec.rateLimits],
  ["sizes", (spec) => spec.sizes],
  ["faults", (spec) => spec.faults],
  ["quota", (spec) => spec.quota],
  ["hedging", (spec) => spec.hedging],
  ["fallback", (spec) => spec.fallback],
  ["collapse", (spec) => spec.collapse],
  ["loadBalancer.hash", (spec) => spec.loadBalancer?.hash],
  ["loadBalancer.slowStart", (spec) => spec.loadBalancer?.slowStart],
  ["loadBalancer.honorRetryAfter", (spec) => spec.loadBalancer?.honorRetryAfter],
  ["spillOver", (spec) => spec.spillOver],
  ["ejection.consecutiveErrors", (spec) => spec.ejection?.consecutiveErrors],
  ["ejection.successShare", (spec) => spec.ejection?.successShare],
  ["ejection.latency", (spec) => spec.ejection?.latency],
  ["ejection.return", (spec) => spec.ejection?.return],
];

/** Of a route's rule, with the place of each in it. Likewise. */
const RULE_PARTS: readonly ((rule: RuleDocument) => readonly NotInForce[])[] = [mirrors, session, subsets];

/** Of routes. Likewise. */
const ROUTE_KINDS: readonly RouteDocument["kind"][] = ["GRPCRoute"];

const EXPECTED = "what agents of this version carry out";
const NO_GRPC = "HTTP/2, and with it gRPC, is not served in this version";

/** By route: a sentence for its status. Routes of Gateways alone are other controllers'. */
export function unservedRoutes(routes: readonly RouteDocument[]): UnservedRoutes {
  const unserved = new Map<RouteDocument, string>();
  for (const route of routes) {
    const [first] = ofRoute(route);
    if (first !== undefined) unserved.set(route, sentence(first));
  }
  return unserved;
}

export function reportNotInForce(documents: readonly Document[], problems: CompileProblems): void {
  for (const document of documents) {
    for (const finding of notInForce(document)) {
      const { path, found } = finding;
      problems.add(document, { code: "not-supported", path, found, expected: EXPECTED, message: sentence(finding) });
    }
  }
}

function sentence({ found, why }: NotInForce): string {
  return `${found} is not in force: ${why}`;
}

function notInForce(document: Document): readonly NotInForce[] {
  if (document.kind === "HTTPRoute" || document.kind === "GRPCRoute") return ofRoute(document);
  return document.kind === "TrafficPolicy" ? ofPolicy(document) : [];
}

function ofPolicy(policy: TrafficPolicyDocument): readonly NotInForce[] {
  const name = documentName(policy);
  const parts = POLICY_PARTS.filter(([, of]) => of(policy.spec) !== undefined).map(([key]): NotInForce => {
    return { path: ["spec", ...key.split(".")], found: `${key} of ${name}`, why: "this version has it not yet" };
  });
  if (!ROUTE_KINDS.some((kind) => kind === policy.spec.targetRef.kind)) return parts;
  return [{ path: ["spec", "targetRef", "kind"], found: `targetRef.kind of ${name}`, why: NO_GRPC }, ...parts];
}

function ofRoute(route: RouteDocument): readonly NotInForce[] {
  if (!route.spec.parentRefs.some(({ kind, group }) => kind === "Service" && group === "")) return [];
  if (ROUTE_KINDS.includes(route.kind)) return [{ path: ["kind"], found: documentName(route), why: NO_GRPC }];
  return route.spec.rules.flatMap((rule: RuleDocument, index) =>
    RULE_PARTS.flatMap((part) => part(rule).map((each) => ({ ...each, path: ["spec", "rules", index, ...each.path] }))),
  );
}

function mirrors({ filters, backendRefs }: RuleDocument): readonly NotInForce[] {
  return [
    ...mirrorsOf(filters, ["filters"]),
    ...backendRefs.flatMap((backend, index) => mirrorsOf(backend.filters ?? [], ["backendRefs", index, "filters"])),
  ];
}

function mirrorsOf(filters: readonly FilterDocument[], at: Path): readonly NotInForce[] {
  const why = "copies of requests are not made in this version";
  return filters.flatMap(({ requestMirror }, index) =>
    requestMirror === undefined ? [] : [{ path: [...at, index, "requestMirror"], found: "filter RequestMirror", why }],
  );
}

function session({ sessionPersistence }: RuleDocument): readonly NotInForce[] {
  if (sessionPersistence === undefined) return [];
  const why = "requests are balanced one by one in this version";
  return [{ path: ["sessionPersistence"], found: "sessionPersistence", why }];
}

function subsets({ backendRefs }: RuleDocument): readonly NotInForce[] {
  const why = "endpoints are not told apart by their labels in this version";
  return backendRefs.flatMap(({ group, kind, name }, index) =>
    group === "" || kind !== "Subset" ? [] : [{ path: ["backendRefs", index, "kind"], found: `Subset ${name}`, why }],
  );
}
