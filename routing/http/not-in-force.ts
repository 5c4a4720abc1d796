/**
 * What can be written and is not carried out in this version: HTTP/2 and with it gRPC calls, copies of requests, sessions
 * that stay at one endpoint. It is told as `not-supported` where a table is compiled, and as a condition of the route, so
 * that nobody takes for granted what does not happen. Checking and explaining it works all the same.
 *
 * A route that has any of it holds nowhere: half a route would be another one than was written.
 */
import type { Document, TrafficPolicyDocument } from "../../protocol/documents/document.ts";
import type { RouteEntry } from "../../protocol/route-table.ts";
import { type CompileProblems, documentName } from "../compile-problems.ts";
import type { FilterDocument } from "./compile-filters.ts";
import type { RouteDocument, UnservedRoutes } from "./route-parents.ts";

type Path = readonly (string | number)[];

/** What is told of one place in a document. */
interface NotInForce {
  readonly path: Path;
  readonly found: string;
  readonly why: string;
}

const EXPECTED = "what agents of this version carry out";

/** By route: a sentence for its status. Routes of Gateways alone are other controllers'. */
export function unservedRoutes(routes: readonly RouteDocument[]): UnservedRoutes {
  const unserved = new Map<RouteDocument, string>();
  for (const route of routes) {
    const [first] = notServed(route);
    if (first !== undefined) unserved.set(route, sentence(first));
  }
  return unserved;
}

/** `entries`: the routes that are in force. */
export function reportNotInForce(
  documents: readonly Document[],
  entries: readonly RouteEntry[],
  problems: CompileProblems,
): void {
  const routed = new Set(entries.map(({ service }) => service));
  for (const document of documents) {
    for (const finding of notInForce(document, routed)) {
      const { path, found } = finding;
      problems.add(document, { code: "not-supported", path, found, expected: EXPECTED, message: sentence(finding) });
    }
  }
}

function sentence({ found, why }: NotInForce): string {
  return `${found} is not in force: ${why}`;
}

function notInForce(document: Document, routed: ReadonlySet<string>): readonly NotInForce[] {
  if (document.kind === "HTTPRoute" || document.kind === "GRPCRoute") return notServed(document);
  return document.kind === "TrafficPolicy" ? withoutRequests(document, routed) : [];
}

/** A policy says something of requests where nothing is known of requests. */
function withoutRequests(policy: TrafficPolicyDocument, routed: ReadonlySet<string>): readonly NotInForce[] {
  const { metadata, spec } = policy;
  const { kind, name } = spec.targetRef;
  if (kind === "GRPCRoute") {
    const found = `targetRef.kind of ${documentName(policy)}`;
    return [{ path: ["spec", "targetRef", "kind"], found, why: NO_GRPC }];
  }
  if (kind !== "Service" || routed.has(`${metadata.namespace}/${name}`)) return [];
  const why = "without an HTTPRoute of the Service, nobody looks into its connections";
  return (["timeouts", "retries"] as const)
    .filter((key) => spec[key] !== undefined)
    .map((key) => ({ path: ["spec", key], found: `${key} of ${documentName(policy)}`, why }));
}

const NO_GRPC = "HTTP/2, and with it gRPC, is not served in this version";

function notServed(route: RouteDocument): readonly NotInForce[] {
  if (!route.spec.parentRefs.some(({ kind, group }) => kind === "Service" && group === "")) return [];
  if (route.kind === "GRPCRoute") return [{ path: ["kind"], found: documentName(route), why: NO_GRPC }];
  return route.spec.rules.flatMap((rule, index) => {
    const at = ["spec", "rules", index];
    const ofBackends = rule.backendRefs.flatMap(({ filters = [] }, backend) =>
      mirrors(filters, [...at, "backendRefs", backend, "filters"]),
    );
    return [...mirrors(rule.filters, [...at, "filters"]), ...ofBackends, ...session(rule, at)];
  });
}

function mirrors(filters: readonly FilterDocument[], at: Path): readonly NotInForce[] {
  const why = "copies of requests are not made in this version";
  return filters.flatMap(({ requestMirror }, index) =>
    requestMirror === undefined ? [] : [{ path: [...at, index, "requestMirror"], found: "filter RequestMirror", why }],
  );
}

function session({ sessionPersistence }: { readonly sessionPersistence?: unknown }, at: Path): readonly NotInForce[] {
  if (sessionPersistence === undefined) return [];
  const why = "requests are balanced one by one in this version";
  return [{ path: [...at, "sessionPersistence"], found: "sessionPersistence", why }];
}
