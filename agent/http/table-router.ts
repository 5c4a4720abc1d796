/**
 * Routers that follow the routing table: every request is decided by the newest one, also on a connection that is older.
 * What a table says is prepared once for each entry of it; a table that changes elsewhere costs no request anything.
 */
import type { RouteEntry, RouteRule, RouteSubset, RouteTarget, RulesKind } from "../../protocol/route-table.ts";
import type { MeshSettings, ServiceEntry, WorkloadEntry } from "../../protocol/table.ts";
import type { AddressFamily } from "../../routing/address.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import {
  type ClientSession,
  decideRequest,
  type RequestTable,
  type RouteFinder,
} from "../../routing/http/decide-request.ts";
import type { RequestDecision } from "../../routing/http/request-decision.ts";
import type { RequestFacts } from "../../routing/http/request-facts.ts";
import { routeKey } from "../../routing/http/route-key.ts";
import { RouteMatcher } from "../../routing/http/route-matcher.ts";
import { requestCandidates, type ServiceCandidates } from "../../routing/service-candidates.ts";
import type { PortOfService } from "../../routing/service-endpoints.ts";
import { sessionCandidates } from "../../routing/session-candidates.ts";
import type { TableState } from "../../routing/table-state.ts";
import type { BackendEndpoints, HttpRouterFor, RequestRouter } from "./request-router.ts";
import type { Sessions } from "./session/sessions.ts";

export function tableRouters(node: string, table: () => TableState | undefined, sessions: Sessions): HttpRouterFor {
  // Entries are replaced whole: what is not replaced keeps its matcher.
  const matchers = new WeakMap<RouteEntry, RouteMatcher>();
  const matcherOf = (entry: RouteEntry): RouteMatcher => {
    const known = matchers.get(entry);
    if (known !== undefined) return known;
    const matcher = new RouteMatcher(entry);
    matchers.set(entry, matcher);
    return matcher;
  };
  const variants = new Map<AddressFamily, WeakMap<RouteTarget, Variants>>();
  const variantsOf = (target: RouteTarget, family: AddressFamily): Variants => {
    const known = variants.get(family)?.get(target);
    if (known !== undefined) return known;
    const texts = variants.get(family) ?? new WeakMap<RouteTarget, Variants>();
    // With its labels: a document may change them, and a route of another Service is not what its endpoints depend on.
    const among = target.subset === undefined ? "" : ` ${JSON.stringify(target.subset)}`;
    const rest = `${target.port} ${family} ${node}${among}`;
    const made = { requests: `requests ${rest}`, sessions: `sessions ${rest}`, endpoints: undefined };
    variants.set(family, texts.set(target, made));
    return made;
  };
  return (source, service, port, family) => {
    const router = new TableRouter({ node, table, sessions, matcherOf, variantsOf, source, service, port, family });
    return router.isRouted ? router : undefined;
  };
}

/** Endpoints for requests as they come, and for those of a session. */
interface Variants {
  readonly requests: string;
  readonly sessions: string;
  /** As they were found last: asked for twice for each request. */
  endpoints: FoundIn<BackendEndpoints | undefined> | undefined;
}

/** What a table says, until its next change. */
interface FoundIn<T> {
  readonly table: TableState;
  readonly sequence: number;
  readonly found: T;
}

interface TableRouterOptions {
  readonly node: string;
  readonly table: () => TableState | undefined;
  readonly sessions: Sessions;
  readonly matcherOf: (entry: RouteEntry) => RouteMatcher;
  /** What the endpoints of a target are remembered under, besides its Service. */
  readonly variantsOf: (target: RouteTarget, family: AddressFamily) => Variants;
  readonly source: WorkloadEntry;
  readonly service: string;
  readonly port: number;
  readonly family: AddressFamily;
}

class TableRouter implements RequestRouter, RequestTable {
  readonly routes: RouteFinder = { find: () => this.#matcher };
  readonly #options: TableRouterOptions;
  readonly #consumerKey: string;
  readonly #producerKey: string;
  /** Of which the identity below is. */
  #mesh: MeshSettings | undefined;
  #identity: string | undefined;
  #matcherNow: FoundIn<RouteMatcher | undefined> | undefined;

  constructor(options: TableRouterOptions) {
    const { source, service, port } = options;
    this.#options = options;
    this.#consumerKey = routeKey(service, port, source.namespace);
    this.#producerKey = routeKey(service, port, undefined);
  }

  get isRouted(): boolean {
    return this.#entry !== undefined;
  }

  get kind(): RulesKind | undefined {
    return this.#entry?.kind;
  }

  /** Made once, but for another trust domain. */
  get identity(): string | undefined {
    const table = this.#options.table();
    if (table === undefined || table.mesh === this.#mesh) return this.#identity;
    this.#mesh = table.mesh;
    this.#identity = table.identityOf(this.#options.source);
    return this.#identity;
  }

  decide(facts: RequestFacts): RequestDecision {
    return decideRequest(this, facts);
  }

  hasEndpoints(target: RouteTarget): boolean {
    const endpoints = this.endpoints(target);
    return endpoints !== undefined && endpoints.candidates.length > 0;
  }

  endpoints(target: RouteTarget): BackendEndpoints | undefined {
    const { table: tableNow, family, variantsOf } = this.#options;
    const table = tableNow();
    if (table === undefined) return undefined;
    const variants = variantsOf(target, family);
    if (variants.endpoints === undefined || isOutdated(variants.endpoints, table)) {
      const found = this.#derive("requests", target, endpointsOf);
      variants.endpoints = { table, sequence: table.sequence, found };
    }
    return variants.endpoints.found;
  }

  sessionEndpoints(target: RouteTarget): readonly Candidate[] {
    return this.#derive("sessions", target, sessionCandidates) ?? [];
  }

  findSession(rule: RouteRule, { headers }: RequestFacts): ClientSession | undefined {
    return this.#options.sessions.find(rule, headers, (backend) => this.sessionEndpoints(backend));
  }

  /** Undefined: there is no such Service, or no such port of it. */
  #derive<T>(
    what: "requests" | "sessions",
    target: RouteTarget,
    make: (table: TableState, node: string, about: PortOfService) => T,
  ): T | undefined {
    const { service: key, port: number, subset } = target;
    const table = this.#options.table();
    const service = table?.service(key);
    const port = service?.ports.find((each) => each.port === number && each.protocol === "TCP");
    if (table === undefined || service === undefined || port === undefined) return undefined;
    const { node, family, variantsOf } = this.#options;
    return table.derive(key, variantsOf(target, family)[what], () =>
      make(table, node, { service, port, family, ...(subset === undefined ? {} : { subset }) }),
    );
  }

  /** A consumer's routes stand in place of the producer's (GEP-1294). */
  get #entry(): RouteEntry | undefined {
    const table = this.#options.table();
    return table?.route(this.#consumerKey) ?? table?.route(this.#producerKey);
  }

  get #matcher(): RouteMatcher | undefined {
    return this.revision?.found;
  }

  /** Of the table as it is now: sessions, which change without it, are not decided by it alone. */
  get revision(): FoundIn<RouteMatcher | undefined> | undefined {
    const table = this.#options.table();
    if (table === undefined) return undefined;
    if (this.#matcherNow === undefined || isOutdated(this.#matcherNow, table)) {
      const entry = this.#entry;
      const found = entry === undefined ? undefined : this.#options.matcherOf(entry);
      this.#matcherNow = { table, sequence: table.sequence, found };
    }
    return this.#matcherNow;
  }
}

function isOutdated({ table, sequence }: FoundIn<unknown>, now: TableState): boolean {
  return table !== now || sequence !== now.sequence;
}

function backendEndpoints(
  table: TableState,
  service: ServiceEntry,
  destination: string,
  offer: ServiceCandidates,
): BackendEndpoints {
  const loadBalancer = service.loadBalancer ?? table.mesh.loadBalancer;
  const found = { service, destination, loadBalancer, ejection: service.ejection ?? table.mesh.ejection };
  const hash = loadBalancer === "hash" && service.hash !== undefined ? { hash: service.hash } : {};
  if (offer.refusal !== undefined) return { ...found, ...hash, candidates: [], problem: offer.refusal.reason };
  const { candidates, choice } = offer;
  return { ...found, ...hash, candidates, ...(choice === undefined ? {} : { choice }) };
}

function destinationOf(service: string, port: number, subset: RouteSubset | undefined): string {
  return subset === undefined ? `${service}:${port}` : `${service}:${port} ${subset.name}`;
}

function endpointsOf(table: TableState, node: string, about: PortOfService): BackendEndpoints {
  const { service, port, subset } = about;
  const destination = destinationOf(service.key, port.port, subset);
  return backendEndpoints(table, service, destination, requestCandidates(table, node, about));
}
