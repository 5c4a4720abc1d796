/**
 * Whether a snapshot or a delta holds together: unique keys, endpoints that point somewhere, removals of what exists.
 * The shape of the message (types of fields) is checked where it is received, in validate-messages.ts.
 */
import type { RouteEntry } from "../protocol/route-table.ts";
import type { EndpointEntry, TableDelta, TableKind, TableSnapshot } from "../protocol/table.ts";
import { formatHostPort } from "./address.ts";
import { entryKey, TABLE_KINDS } from "./entry-key.ts";
import { routeKey } from "./http/route-key.ts";
import { RoutingError } from "./routing-error.ts";

/** What a delta is checked against. */
interface KnownTable {
  readonly epoch: string;
  readonly sequence: number;
  node(key: string): unknown;
  workload(key: string): unknown;
  service(key: string): unknown;
  endpoint(key: string): unknown;
  route(key: string): unknown;
}

/** Throws RoutingError `corrupt-table`. */
export function checkSnapshot(snapshot: TableSnapshot): void {
  uniqueKeys(
    "node",
    snapshot.nodes.map((entry) => entryKey("node", entry)),
  );
  const workloads = uniqueKeys(
    "workload",
    snapshot.workloads.map((entry) => entryKey("workload", entry)),
  );
  const services = uniqueKeys(
    "service",
    snapshot.services.map((entry) => entryKey("service", entry)),
  );
  uniqueKeys(
    "endpoint",
    snapshot.endpoints.map((entry) => entryKey("endpoint", entry)),
  );
  uniqueKeys(
    "route",
    snapshot.routes.map((entry) => entryKey("route", entry)),
  );
  for (const endpoint of snapshot.endpoints) {
    checkEndpoint(endpoint, (uid) => workloads.has(uid), services.has(endpoint.service));
  }
  for (const route of snapshot.routes) checkRoute(route, services.has(route.service));
}

/** Throws RoutingError `wrong-epoch`, `wrong-sequence` or `corrupt-table`. Costs what the delta's size is. */
export function checkDelta(table: KnownTable, delta: TableDelta): void {
  if (delta.epoch !== table.epoch) {
    throw new RoutingError(
      "wrong-epoch",
      `Cannot apply a delta of epoch ${delta.epoch}, the table is of ${table.epoch}`,
    );
  }
  if (delta.sequence !== table.sequence + 1) {
    const have = `the table is at ${table.sequence}`;
    throw new RoutingError("wrong-sequence", `Cannot apply delta ${delta.sequence}, ${have}`);
  }
  const upserted = {} as Record<TableKind, Set<string>>;
  const removed = {} as Record<TableKind, Set<string>>;
  for (const kind of TABLE_KINDS) {
    upserted[kind] = uniqueKeys(
      kind,
      (delta.upserts[kind] ?? []).map((entry) => entryKey(kind, entry)),
    );
    removed[kind] = uniqueKeys(kind, delta.removals[kind] ?? []);
    for (const key of removed[kind]) {
      if (upserted[kind].has(key)) throw corrupt(`${kind} ${key} is both removed and set`);
      if (table[kind](key) === undefined) throw corrupt(`${kind} ${key} is removed but was not there`);
    }
  }
  const present = (kind: TableKind, key: string): boolean =>
    upserted[kind].has(key) || (!removed[kind].has(key) && table[kind](key) !== undefined);
  for (const endpoint of delta.upserts.endpoint ?? []) {
    checkEndpoint(endpoint, (uid) => present("workload", uid), present("service", endpoint.service));
  }
  for (const route of delta.upserts.route ?? []) checkRoute(route, present("service", route.service));
}

function uniqueKeys(kind: TableKind, keys: readonly string[]): Set<string> {
  const seen = new Set<string>();
  for (const key of keys) {
    if (seen.has(key)) throw corrupt(`${kind} ${key} is there twice`);
    seen.add(key);
  }
  return seen;
}

function checkEndpoint(endpoint: EndpointEntry, hasWorkload: (uid: string) => boolean, hasService: boolean): void {
  const { key, service, workload } = endpoint;
  const behind = workload ?? outsideAddress(endpoint);
  if (key !== `${service}|${behind}`) throw corrupt(`endpoint ${key} is ${behind} behind service ${service}`);
  if (workload !== undefined && !hasWorkload(workload)) {
    throw corrupt(`endpoint ${key} points to a workload that is not there`);
  }
  if (!hasService) throw corrupt(`endpoint ${endpoint.key} points to a service that is not there`);
}

function checkRoute({ key, service, port, consumer, rules, matches }: RouteEntry, hasService: boolean): void {
  if (key !== routeKey(service, port, consumer)) throw corrupt(`route ${key} is for ${service}:${port}`);
  if (!hasService) throw corrupt(`route ${key} is for a service that is not there`);
  if (matches.some(({ rule }) => rule >= rules.length)) throw corrupt(`route ${key} has a match of no rule`);
}

/** Address and port; several ports are none that the key could have. */
function outsideAddress({ address = "", ports }: EndpointEntry): string {
  const targets = new Set(Object.values(ports));
  const [port = 0] = targets;
  return targets.size === 1 ? formatHostPort(address, port) : `${address} with ${targets.size} ports`;
}

function corrupt(detail: string): RoutingError {
  return new RoutingError("corrupt-table", `Cannot use a table that contradicts itself: ${detail}`);
}
