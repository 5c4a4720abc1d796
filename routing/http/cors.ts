/**
 * Cross-origin requests under a filter CORS (GEP-1767, Fetch standard section 3.2): preflight requests are answered here
 * and never reach a backend; for the others, the filter has the last word on what the response says about origins.
 */
import type { HeaderChanges, HeaderField, RouteCors } from "../../protocol/route-table.ts";
import { headerValue, type RequestFacts } from "./request-facts.ts";

export function isPreflight(facts: RequestFacts): boolean {
  return (
    facts.method === "OPTIONS" &&
    facts.headers.get("origin") !== undefined &&
    facts.headers.get("access-control-request-method") !== undefined
  );
}

/** What a preflight is answered with; an origin that is not allowed is told nothing. */
export function preflightHeaders(cors: RouteCors, facts: RequestFacts): readonly HeaderField[] {
  const origin = allowedOrigin(cors, facts);
  if (origin === undefined) return [["vary", "Origin"]];
  const methods = listOrAsked(cors.allowMethods, headerValue(facts, "access-control-request-method"));
  const headers = listOrAsked(cors.allowHeaders, headerValue(facts, "access-control-request-headers"));
  return [
    ...originHeaders(cors, origin),
    ...field("access-control-allow-methods", methods),
    ...field("access-control-allow-headers", headers),
    ["access-control-max-age", String(cors.maxAgeSeconds)],
    ["vary", "Origin"],
  ];
}

/** What is changed in a backend's response. Undefined when the request has no origin: it is not a cross-origin one. */
export function corsChanges(cors: RouteCors, facts: RequestFacts): HeaderChanges | undefined {
  if (headerValue(facts, "origin") === undefined) return undefined;
  const origin = allowedOrigin(cors, facts);
  const add: readonly HeaderField[] = [["vary", "Origin"]];
  if (origin === undefined) return { add, remove: ORIGIN_HEADERS };
  const set = originHeaders(cors, origin);
  return { set, add, remove: ORIGIN_HEADERS.filter((name) => !set.some(([each]) => each === name)) };
}

const ORIGIN_HEADERS = [
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-expose-headers",
];

function originHeaders(cors: RouteCors, origin: string): HeaderField[] {
  // "*" is a name like any other in a response to a request with credentials.
  const exposed = cors.allowCredentials ? cors.exposeHeaders.filter((name) => name !== "*") : cors.exposeHeaders;
  return [
    ["access-control-allow-origin", origin],
    ...(cors.allowCredentials ? field("access-control-allow-credentials", "true") : []),
    ...field("access-control-expose-headers", exposed.join(", ")),
  ];
}

/** A list with "*" allows what was asked for; that is said, because "*" itself means nothing with credentials. */
function listOrAsked(allowed: readonly string[], asked: string | undefined): string {
  return allowed.includes("*") ? (asked ?? "") : allowed.join(", ");
}

function field(name: string, value: string): HeaderField[] {
  return value === "" ? [] : [[name, value]];
}

/** The request's origin as it came, when it is one of those allowed. */
function allowedOrigin(cors: RouteCors, facts: RequestFacts): string | undefined {
  const origin = headerValue(facts, "origin");
  if (origin === undefined) return undefined;
  return cors.allowOrigins.some((allowed) => allowed === "*" || isOrigin(allowed, origin)) ? origin : undefined;
}

/** Schemes and ports are equal, and the hosts too, where a "*" stands for any text to the left of what follows it. */
function isOrigin(allowed: string, origin: string): boolean {
  const wanted = parseOrigin(allowed);
  const found = parseOrigin(origin);
  if (wanted === undefined || found === undefined) return false;
  if (wanted.scheme !== found.scheme || wanted.port !== found.port) return false;
  if (!wanted.host.startsWith("*")) return wanted.host === found.host;
  const end = wanted.host.slice(1);
  return found.host.length > end.length && found.host.endsWith(end);
}

interface Origin {
  readonly scheme: string;
  readonly host: string;
  readonly port: string;
}

function parseOrigin(text: string): Origin | undefined {
  const [, scheme, host, port] = /^(https?):\/\/(\[[0-9a-f:.]+\]|[^/:@?#]+)(?::([0-9]+))?$/i.exec(text) ?? [];
  if (scheme === undefined || host === undefined) return undefined;
  const lower = scheme.toLowerCase();
  return { scheme: lower, host: host.toLowerCase(), port: port ?? (lower === "https" ? "443" : "80") };
}
