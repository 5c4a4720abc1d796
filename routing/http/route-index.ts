/**
 * The routes of a table, found by the Service and port that were dialled and the namespace of the caller. A consumer's
 * routes stand in place of the producer's (GEP-1294). Matchers are made when a request first needs them.
 */
import type { RouteEntry } from "../../protocol/route-table.ts";
import { RouteMatcher } from "./route-matcher.ts";

class LazyMatcher {
  readonly #entry: RouteEntry;
  #matcher: RouteMatcher | undefined;

  constructor(entry: RouteEntry) {
    this.#entry = entry;
  }

  get(): RouteMatcher {
    this.#matcher ??= new RouteMatcher(this.#entry);
    return this.#matcher;
  }
}

interface PortRoutes {
  readonly port: number;
  producer: LazyMatcher | undefined;
  readonly consumers: Map<string, LazyMatcher>;
}

export class RouteIndex {
  /** By key of the Service; a Service has few ports. */
  readonly #services = new Map<string, PortRoutes[]>();

  constructor(entries: Iterable<RouteEntry>) {
    for (const entry of entries) this.#add(entry);
  }

  /** Undefined: no route is attached for such a caller. */
  find(service: string, port: number, namespace: string): RouteMatcher | undefined {
    const ports = this.#services.get(service);
    if (ports === undefined) return undefined;
    for (const routes of ports) {
      if (routes.port !== port) continue;
      return (routes.consumers.get(namespace) ?? routes.producer)?.get();
    }
    return undefined;
  }

  #add(entry: RouteEntry): void {
    const ports = this.#services.get(entry.service) ?? [];
    this.#services.set(entry.service, ports);
    let routes = ports.find(({ port }) => port === entry.port);
    if (routes === undefined) {
      routes = { port: entry.port, producer: undefined, consumers: new Map() };
      ports.push(routes);
    }
    if (entry.consumer === undefined) routes.producer = new LazyMatcher(entry);
    else routes.consumers.set(entry.consumer, new LazyMatcher(entry));
  }
}
