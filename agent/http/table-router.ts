/**
 * Routers that follow the routing table: every request is decided by the newest one, also on a connection that is older.
 * What a table says is prepared once for each entry of it; a table that changes elsewhere costs no request anything.
 */
import type { RouteEntry, RouteSubset, RouteTarget } from "../../protocol/route-table.ts";
import type { MeshSettings, ServiceEntry, WorkloadEntry } from "../../protocol/table.ts";
import type { AddressFamily } from "../../routing/address.ts";
import { decideRequest, type RequestTable, type RouteFinder } from "../../routing/http/decide-request.ts";
import type { RequestDecision } from "../../routing/http/request-decision.ts";
import type { RequestFacts } from "../../routing/http/request-facts.ts";
import { routeKey } from "../../routing/http/route-key.ts";
import { RouteMatcher } from "../../routing/http/route-matcher.ts";
import { requestCandidates, type ServiceCandidates } from "../../routing/service-candidates.ts";
import type { TableState } from "../../routing/table-state.ts";
import type { BackendEndpoints, HttpRouterFor, RequestRouter } from "./request-router.ts";

export function tableRouters(node: string, table: () => TableState | undefined): HttpRouterFor {
  // Entries are replaced whole: what is not replaced keeps its matcher.
  const matchers = new WeakMap<RouteEntry, RouteMatcher>();
  const matcherOf = (entry: RouteEntry): RouteMatcher => {
    const known = matchers.get(entry);
    if (known !== undefined) return known;
    const matcher = new RouteMatcher(entry);
    matchers.set(entry, matcher);
    return matcher;
  };
  const variants = new Map<AddressFamily, WeakMap<RouteTarget, string>>();
  const variantOf = (target: RouteTarget, family: AddressFamily): string => {
    const known = variants.get(family)?.get(target);
    if (known !== undefined) return known;
    const texts = variants.get(family) ?? new WeakMap<RouteTarget, string>();
    // With its labels: a document may change them, and a route of another Service is not what its endpoints depend on.
    const among = target.subset === undefined ? "" : ` ${JSON.stringify(target.subset)}`;
    const text = `requests ${target.port} ${family} ${node}${among}`;
    variants.set(family, texts.set(target, text));
    return text;
  };
  return (source, service, port, family) => {
    const router = new TableRouter({ node, table, matcherOf, variantOf, source, service, port, family });
    return router.isRouted ? router : undefined;
  };
}

interface TableRouterOptions {
  readonly node: string;
  readonly table: () => TableState | undefined;
  readonly matcherOf: (entry: RouteEntry) => RouteMatcher;
  /** What the endpoints of a target are remembered under, besides its Service. */
  readonly variantOf: (target: RouteTarget, family: AddressFamily) => string;
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

  constructor(options: TableRouterOptions) {
    const { source, service, port } = options;
    this.#options = options;
    this.#consumerKey = routeKey(service, port, source.namespace);
    this.#producerKey = routeKey(service, port, undefined);
  }

  get isRouted(): boolean {
    return this.#entry !== undefined;
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
    const { service: key, port: number, subset } = target;
    const table = this.#options.table();
    const service = table?.service(key);
    const port = service?.ports.find((each) => each.port === number && each.protocol === "TCP");
    if (table === undefined || service === undefined || port === undefined) return undefined;
    const { node, family, variantOf } = this.#options;
    return table.derive(key, variantOf(target, family), (): BackendEndpoints => {
      const about = { service, port, family, ...(subset === undefined ? {} : { subset }) };
      return backendEndpoints(
        table,
        service,
        destinationOf(key, number, subset),
        requestCandidates(table, node, about),
      );
    });
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
