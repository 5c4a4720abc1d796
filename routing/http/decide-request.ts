/**
 * What happens to a request that was made to a Service, and why. Pure: the same table and facts give the same decision;
 * chance comes with the facts.
 *
 *   no route for this Service, port and caller  ->  not-routed
 *   under no rule  ------------------------------>  respond 404
 *   under a rule:  unknown filter  -------------->  respond 500
 *                  preflight under CORS  -------->  respond 204
 *                  redirect  -------------------->  respond 3xx
 *                  the client's session, else a backend by weight:
 *                                        none, or invalid  ->  respond 500
 *                                        without endpoints ->  respond 503
 *                                        else  ----------->  forward
 */
import type { HeaderField, RouteBackend, RouteMirror, RouteRule, RouteTarget } from "../../protocol/route-table.ts";
import type { Candidate } from "../decide-connection.ts";
import { changePath } from "./change-path.ts";
import { corsChanges, isPreflight, preflightHeaders } from "./cors.ts";
import type { RankedMatch } from "./match-list.ts";
import { redirectLocation } from "./redirect-location.ts";
import type { ForwardRequest, NotRouted, RequestDecision, RespondToRequest, ResponseCode } from "./request-decision.ts";
import { isGrpc, type RequestFacts } from "./request-facts.ts";
import { normalizePath } from "./request-path.ts";
import type { RouteMatcher } from "./route-matcher.ts";
import type { BackendInForce, FiltersInForce } from "./rule-in-force.ts";

export interface RouteFinder {
  /** Undefined: no route is attached for such a caller. */
  find(service: string, port: number, namespace: string): RouteMatcher | undefined;
}

/** What of a table decisions are made from. */
export interface RequestTable {
  /** See RouteIndex. */
  readonly routes: RouteFinder;
  /** Whether anything behind this port of the Service, or of the subset of it, may take a request. */
  hasEndpoints(target: RouteTarget): boolean;
  /** Of a rule that keeps sessions: where this client's is. Absent: nobody keeps any. */
  findSession?(rule: RouteRule, facts: RequestFacts): ClientSession | undefined;
}

/** Its backend is one of the rule's, whatever its weight. */
export interface ClientSession {
  readonly backend: RouteBackend;
  readonly endpoint: Candidate;
}

const NOT_ROUTED: NotRouted = { kind: "not-routed" };

/** Codes of gRPC for what HTTP says by status (gRPC's table for intermediaries, and GRPCRoute's own rules). */
const GRPC_UNIMPLEMENTED = 12;
const GRPC_UNAVAILABLE = 14;

export function decideRequest(table: RequestTable, facts: RequestFacts): RequestDecision {
  const matcher = table.routes.find(facts.service, facts.port, facts.source.namespace);
  if (matcher === undefined) return NOT_ROUTED;
  const mark = facts.target.indexOf("?");
  const path = normalizePath(mark === -1 ? facts.target : facts.target.slice(0, mark));
  const query = mark === -1 ? "" : facts.target.slice(mark + 1);
  const found = findMatch(matcher, facts, path, query);
  if (found === undefined) return noMatch(matcher, facts);
  return new Decider(table, facts, found, path, query).decide();
}

/** A GRPCRoute is about gRPC calls: anything else on its port is under no rule. */
function findMatch(matcher: RouteMatcher, facts: RequestFacts, path: string, query: string): RankedMatch | undefined {
  if (matcher.kind === "GRPCRoute" && !isGrpc(facts)) return undefined;
  return matcher.find(facts, path, query);
}

function noMatch(matcher: RouteMatcher, facts: RequestFacts): RespondToRequest {
  const what =
    matcher.kind === "GRPCRoute" && !isGrpc(facts) ? "is no gRPC call, and so under no rule" : "is under no rule";
  return {
    kind: "respond",
    code: "no-match",
    status: 404,
    ...(isGrpc(facts) ? { grpcStatus: GRPC_UNIMPLEMENTED } : {}),
    headers: [],
    responseHeaders: [],
    reason: `${facts.method} ${facts.target} ${what} of the ${matcher.kind}s of ${facts.service}:${facts.port}`,
  };
}

/** One request whose rule is known. */
class Decider {
  readonly #table: RequestTable;
  readonly #facts: RequestFacts;
  readonly #found: RankedMatch;
  readonly #path: string;
  readonly #query: string;

  constructor(table: RequestTable, facts: RequestFacts, found: RankedMatch, path: string, query: string) {
    this.#table = table;
    this.#facts = facts;
    this.#found = found;
    this.#path = path;
    this.#query = query;
  }

  decide(): RequestDecision {
    const { rule } = this.#found;
    const answer = this.#answerByFilters(rule.filters, undefined);
    if (answer !== undefined) return answer;
    const session = this.#session(rule.rule);
    if (session !== undefined) return this.#toBackend(rule.inForce(session.backend), session.endpoint);
    const choice = rule.onlyBackend ?? rule.chooseBackend(this.#facts.random);
    if (choice === undefined) {
      return this.#fail("no-backend", 500, "the rule has no backend with a weight above 0", undefined);
    }
    return this.#toBackend(choice, undefined);
  }

  #session(rule: RouteRule): ClientSession | undefined {
    return rule.session === undefined ? undefined : this.#table.findSession?.(rule, this.#facts);
  }

  #toBackend({ backend, filters }: BackendInForce, endpoint: Candidate | undefined): RequestDecision {
    const { problem } = backend;
    if (problem !== undefined) {
      return this.#fail("invalid-backend", 500, `${nameOf(backend)} is invalid: ${problem}`, backend);
    }
    const answer = this.#answerByFilters(filters, backend);
    if (answer !== undefined) return answer;
    if (!this.#table.hasEndpoints(backend)) {
      const reason = `${nameOf(backend)} has no endpoint that could take a request`;
      return this.#fail("no-endpoints", 503, reason, backend);
    }
    return this.#forward(backend, filters, endpoint);
  }

  #answerByFilters(filters: FiltersInForce, backend: RouteBackend | undefined): RespondToRequest | undefined {
    const { unknownExtension, cors, redirect } = filters;
    if (unknownExtension !== undefined) {
      return this.#fail("unknown-extension", 500, `filter ${unknownExtension} is not known`, backend);
    }
    if (cors !== undefined && isPreflight(this.#facts)) {
      const headers = preflightHeaders(cors, this.#facts);
      return this.#respond("cors-preflight", 204, "a preflight request, answered by the filter CORS", headers, filters);
    }
    if (redirect === undefined) return undefined;
    const location = redirectLocation(redirect, this.#found.by.match, this.#facts, this.#path, this.#query);
    return this.#respond("redirect", redirect.status, `redirected to ${location}`, [["location", location]], filters);
  }

  #forward(backend: RouteBackend, filters: FiltersInForce, endpoint: Candidate | undefined): ForwardRequest {
    const { rewrite, cors } = filters;
    const changes = cors === undefined ? undefined : corsChanges(cors, this.#facts);
    const decision: ForwardRequest = {
      kind: "forward",
      by: this.#found.by,
      backend,
      authority: rewrite?.hostname ?? this.#facts.authority,
      target: this.#target(filters),
      requestHeaders: filters.requestHeaders,
      responseHeaders: changes === undefined ? filters.responseHeaders : [changes, ...filters.responseHeaders],
      mirrors: this.#mirrors(filters.mirrors),
    };
    return endpoint === undefined ? decision : { ...decision, endpoint };
  }

  #target({ rewrite }: FiltersInForce): string {
    const { target } = this.#facts;
    if (rewrite?.path !== undefined) return changePath(rewrite.path, this.#found.by.match, this.#path, this.#query);
    const { length } = this.#path;
    // The request's own text when nothing was to normalize.
    if (target.startsWith(this.#path) && (target.length === length || target[length] === "?")) return target;
    return this.#query === "" ? this.#path : `${this.#path}?${this.#query}`;
  }

  #mirrors(mirrors: readonly RouteMirror[]): readonly RouteMirror[] {
    if (mirrors.length === 0) return mirrors;
    const { mirrorRandom } = this.#facts;
    return mirrors.filter(({ numerator, denominator }) => mirrorRandom * denominator < numerator);
  }

  /** A failure of ours: filters of the response are not for it. */
  #fail(code: ResponseCode, status: number, reason: string, backend: RouteBackend | undefined): RespondToRequest {
    return {
      kind: "respond",
      code,
      status,
      ...(isGrpc(this.#facts) ? { grpcStatus: GRPC_UNAVAILABLE } : {}),
      headers: [],
      responseHeaders: [],
      reason,
      by: this.#found.by,
      ...(backend === undefined ? {} : { backend }),
    };
  }

  #respond(
    code: ResponseCode,
    status: number,
    reason: string,
    headers: readonly HeaderField[],
    filters: FiltersInForce,
  ): RespondToRequest {
    return {
      kind: "respond",
      code,
      status,
      headers,
      responseHeaders: filters.responseHeaders,
      reason,
      by: this.#found.by,
    };
  }
}

function nameOf({ service, port, subset }: RouteBackend): string {
  return `backend ${service}:${port}${subset === undefined ? "" : ` (subset ${subset.name})`}`;
}
