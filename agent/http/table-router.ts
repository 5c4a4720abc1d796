/**
 * Routers that follow the routing table: every request is decided by the newest one, also on a connection that is older.
 * What a table says is prepared once for each entry of it; a table that changes elsewhere costs no request anything.
 */
import type { RouteEntry, RouteRule, RouteTarget } from "../../protocol/route-table.ts";
import type { WorkloadEntry } from "../../protocol/table.ts";
import type { AddressFamily } from "../../routing/address.ts";
import { type ClientSession, decideRequest, type RequestTable, type RouteFinder } from "../../routing/http/decide-request.ts";
import type { RequestDecision } from "../../routing/http/request-decision.ts";
import type { RequestFacts } from "../../routing/http/request-facts.ts";
import { routeKey } from "../../routing/http/route-key.ts";
import { RouteMatcher } from "../../routing/http/route-matcher.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import { requestCandidates } from "../../routing/service-candidates.ts";
import type { PortOfService } from "../../routing/service-endpoints.ts";
import { sessionCandidates } from "../../routing/session-candidates.ts";
import type { TableState } from "../../routing/table-state.ts";
import type { BackendEndpoints, HttpRouterFor, RequestRouter } from "./request-router.ts";
import type { Sessions } from "./session/sessions.ts";

export function tableRouters(
  node: string,
  table: () => TableState | undefined,
  sessions: Sessions,
): HttpRouterFor {
  // Entries are replaced whole: what is not replaced keeps its matcher.
  const matchers = new WeakMap<RouteEntry, RouteMatcher>();
  const matcherOf = (entry: RouteEntry): RouteMatcher => {
    const known = matchers.get(entry);
    if (known !== undefined) return known;
    const matcher = new RouteMatcher(entry);
    matchers.set(entry, matcher);
    return matcher;
  };
  return (source, service, port, family) => {
    const router = new TableRouter({ node, table, sessions, matcherOf, source, service, port, family });
    return router.isRouted ? router : undefined;
  };
}

interface TableRouterOptions {
  readonly node: string;
  readonly table: () => TableState | undefined;
  readonly sessions: Sessions;
  readonly matcherOf: (entry: RouteEntry) => RouteMatcher;
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

  constructor(options: TableRouterOptions) {
    const { source, service, port } = options;
    this.#options = options;
    this.#consumerKey = routeKey(service, port, source.namespace);
    this.#producerKey = routeKey(service, port, undefined);
  }

  get isRouted(): boolean {
    return this.#entry !== undefined;
  }

  decide(facts: RequestFacts): RequestDecision {
    return decideRequest(this, facts);
  }

  hasEndpoints(service: string, port: number): boolean {
    const endpoints = this.endpoints({ service, port });
    return endpoints !== undefined && endpoints.candidates.length > 0;
  }

  endpoints({ service: key, port: number }: RouteTarget): BackendEndpoints | undefined {
    const table = this.#options.table();
    const about = this.#portOf(key, number);
    if (table === undefined || about === undefined) return undefined;
    const { node } = this.#options;
    const { service, family } = about;
    return table.derive(key, `requests ${number} ${family} ${node}`, (): BackendEndpoints => {
      const offer = requestCandidates(table, node, about);
      return {
        service,
        candidates: offer.refusal === undefined ? offer.candidates : [],
        loadBalancer: service.loadBalancer ?? table.mesh.loadBalancer,
        ejection: service.ejection ?? table.mesh.ejection,
        ...(offer.refusal === undefined ? {} : { problem: offer.refusal.reason }),
      };
    });
  }

  sessionEndpoints({ service: key, port: number }: RouteTarget): readonly Candidate[] {
    const table = this.#options.table();
    const about = this.#portOf(key, number);
    if (table === undefined || about === undefined) return [];
    const { node, family } = this.#options;
    return table.derive(key, `sessions ${number} ${family} ${node}`, () => sessionCandidates(table, node, about));
  }

  findSession(rule: RouteRule, { headers }: RequestFacts): ClientSession | undefined {
    return this.#options.sessions.find(rule, headers, (backend) => this.sessionEndpoints(backend));
  }

  #portOf(key: string, number: number): PortOfService | undefined {
    const { table, family } = this.#options;
    const service = table()?.service(key);
    const port = service?.ports.find((each) => each.port === number && each.protocol === "TCP");
    return service === undefined || port === undefined ? undefined : { service, port, family };
  }

  /** A consumer's routes stand in place of the producer's (GEP-1294). */
  get #entry(): RouteEntry | undefined {
    const table = this.#options.table();
    return table?.route(this.#consumerKey) ?? table?.route(this.#producerKey);
  }

  get #matcher(): RouteMatcher | undefined {
    const entry = this.#entry;
    return entry === undefined ? undefined : this.#options.matcherOf(entry);
  }
}
