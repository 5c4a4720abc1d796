/**
 * Matches of routes' documents -> matches of the table, and their order of precedence among each other.
 *
 * The Gateway API leaves regular expressions' place open. Here they come after what is exact and before prefixes: whoever
 * writes one means something more special than "everything below /". Of two, the longer text comes first.
 */
import type { GrpcRouteDocument, HttpRouteDocument } from "../../protocol/documents/document.ts";
import type { RequestCondition, RouteMatch, RoutePathMatch, RouteValueMatch } from "../../protocol/route-table.ts";
import { compareText } from "../compare-text.ts";
import { normalizePath, normalizePrefix } from "./request-path.ts";

export type HttpMatch = HttpRouteDocument["spec"]["rules"][number]["matches"][number];
type GrpcMatch = GrpcRouteDocument["spec"]["rules"][number]["matches"][number];

/** A match and what decides between it and others: the larger number wins, the first of them that differs. */
export interface SpecificMatch extends Omit<RouteMatch, "rule" | "index"> {
  readonly specificity: readonly number[];
}

/** Where a match stands, for ties. */
export interface MatchPlace {
  readonly match: SpecificMatch;
  readonly created: string | undefined;
  /** `namespace/name`. */
  readonly route: string;
  readonly rule: number;
  readonly index: number;
}

/** GatewayAPI, HTTPRouteRule.matches and GRPCRouteRule.matches. Negative: `a` comes first. */
export function comparePrecedence(a: MatchPlace, b: MatchPlace): number {
  for (const [index, value] of a.match.specificity.entries()) {
    const other = b.match.specificity[index] ?? 0;
    if (value !== other) return other - value;
  }
  return createdMs(a) - createdMs(b) || compareText(a.route, b.route) || a.rule - b.rule || a.index - b.index;
}

function createdMs({ created }: MatchPlace): number {
  return created === undefined ? 0 : Date.parse(created);
}

const PATH_RANKS = { exact: 3, regex: 2, suffix: 1, prefix: 1 } as const;

/** Exact path, longest path, method, most headers, most query parameters. */
export function httpMatch({ path, method, headers, queryParams }: HttpMatch): SpecificMatch {
  const pathMatch = httpPath(path);
  const headerMatches = valueMatches(headers, true);
  const query = valueMatches(queryParams, false);
  return {
    path: pathMatch,
    ...(method === undefined ? {} : { method }),
    ...(headerMatches.length === 0 ? {} : { headers: headerMatches }),
    ...(query.length === 0 ? {} : { query }),
    specificity: [
      PATH_RANKS[pathMatch.type],
      pathMatch.value.length,
      method === undefined ? 0 : 1,
      headerMatches.length,
      query.length,
    ],
  };
}

function httpPath({ type, value }: HttpMatch["path"]): RoutePathMatch {
  if (type === "RegularExpression") return { type: "regex", value };
  if (type === "Exact") return { type: "exact", value: normalizePath(value) };
  return { type: "prefix", value: normalizePrefix(value) };
}

/** Longest service, longest method, most headers; names before regular expressions before nothing. */
export function grpcMatch({ method, headers }: GrpcMatch): SpecificMatch {
  const headerMatches = valueMatches(headers, true);
  const { type = "Exact", service = "", method: name = "" } = method ?? {};
  const named = service === "" && name === "" ? 0 : type === "Exact" ? 2 : 1;
  return {
    path: type === "Exact" ? grpcPath(service, name) : grpcExpression(service, name),
    ...(headerMatches.length === 0 ? {} : { headers: headerMatches }),
    specificity: [named, service.length, name.length, headerMatches.length],
  };
}

/** A call's path is `/service/method` (gRPC over HTTP/2). */
function grpcPath(service: string, method: string): RoutePathMatch {
  if (service === "" && method === "") return { type: "prefix", value: "" };
  if (service === "") return { type: "suffix", value: `/${method}` };
  return method === "" ? { type: "prefix", value: `/${service}` } : { type: "exact", value: `/${service}/${method}` };
}

function grpcExpression(service: string, method: string): RoutePathMatch {
  const part = (pattern: string) => (pattern === "" ? "[^/]+" : `(?:${pattern})`);
  return { type: "regex", value: `/${part(service)}/${part(method)}` };
}

/** A match with a condition comes before the same one without, whatever the order of documents. */
export function withCondition(match: SpecificMatch, when: RequestCondition | undefined): SpecificMatch {
  const specificity = [...match.specificity, when === undefined ? 0 : 1];
  return { ...match, ...(when === undefined ? {} : { when }), specificity };
}

type ValueDocument = HttpMatch["headers"][number];

/** Of equal names the first counts; headers' names are equal whatever their case. */
function valueMatches(documents: readonly ValueDocument[], ignoreCase: boolean): readonly RouteValueMatch[] {
  const first = new Map<string, RouteValueMatch>();
  for (const { type, name: written, value } of documents) {
    const name = ignoreCase ? written.toLowerCase() : written;
    if (first.has(name)) continue;
    first.set(name, type === "Exact" ? { name, value } : { name, regex: value });
  }
  return [...first.values()];
}
