/**
 * `npm run bench -- routes`: what a decision about a request costs, by the number of rules and by what they match. No
 * network: the pure engine, on requests of which each is under another rule.
 */
import type { RouteEntry, RouteMatch } from "../protocol/route-table.ts";
import { decideRequest, type RequestTable } from "../routing/http/decide-request.ts";
import type { RequestFacts } from "../routing/http/request-facts.ts";
import { RouteIndex } from "../routing/http/route-index.ts";
import { median } from "./statistics.ts";

/** Far above the clock's grain. */
const ROUND_MS = 40;
const ROUNDS = 15;
/** Between two looks at the clock. */
const BATCH = 640;
/** Few enough for no collection to fall among them. */
const COUNTED_DECISIONS = 5_000;
/** Requests take turns, so that no branch is always the same. */
const REQUESTS = 64;

interface Case {
  readonly name: string;
  readonly rules: number;
  readonly match: (index: number) => Omit<RouteMatch, "rule" | "index">;
  readonly request: (index: number) => Pick<RequestFacts, "target" | "headers">;
}

const NO_HEADERS = new Map([
  ["accept", "*/*"],
  ["user-agent", "bench"],
]);
const withUser = (index: number) => new Map([...NO_HEADERS, ["x-user", `user-${index}`]]);

const byPrefix = {
  match: (index: number) => ({ path: { type: "prefix", value: prefix(index) } }) as const,
  request: (index: number) => ({ target: `${prefix(index)}/items/${index}?page=2`, headers: NO_HEADERS }),
};
const byHeader = {
  match: (index: number) => {
    return { path: { type: "prefix", value: "" }, headers: [{ name: "x-user", value: `user-${index}` }] } as const;
  },
  request: (index: number) => ({ target: "/items/7", headers: withUser(index) }),
};
const byExpression = {
  match: (index: number) => ({ path: { type: "regex", value: `${prefix(index)}/items/[0-9]+` } }) as const,
  request: (index: number) => ({ target: `${prefix(index)}/items/${index}`, headers: NO_HEADERS }),
};

const CASES: readonly Case[] = [
  { name: "prefix", rules: 1, ...byPrefix },
  { name: "prefix", rules: 100, ...byPrefix },
  { name: "prefix", rules: 5_000, ...byPrefix },
  { name: "header, one path", rules: 100, ...byHeader },
  { name: "header, one path", rules: 5_000, ...byHeader },
  { name: "expression", rules: 1, ...byExpression },
  { name: "expression", rules: 100, ...byExpression },
  { name: "expression", rules: 5_000, ...byExpression },
];

console.log("MATCH             RULES  NS/DECISION  BYTES/DECISION  FIRST MS");
for (const each of CASES) {
  const startedMs = performance.now();
  const table = toTable(each);
  const requests = Array.from({ length: REQUESTS }, (_, at) => toFacts(each, (at * 79) % each.rules));
  const firstKind = decide(table, requests, 1);
  const firstMs = performance.now() - startedMs;
  if (firstKind !== 1) throw new Error(`${each.name}: the request is under no rule`);
  const nanoseconds = median(Array.from({ length: ROUNDS }, () => round(table, requests)));
  const bytes = bytesOf(table, requests);
  console.log(
    [
      each.name.padEnd(16),
      ...[each.rules, Math.round(nanoseconds), bytes].map((value, at) => `${value}`.padStart([6, 11, 14][at] ?? 0)),
      firstMs.toFixed(1).padStart(8),
    ].join("  "),
  );
}

/** Nanoseconds a decision. */
function round(table: RequestTable, requests: readonly RequestFacts[]): number {
  const startedMs = performance.now();
  let decisions = 0;
  let tookMs = 0;
  while (tookMs < ROUND_MS) {
    decide(table, requests, BATCH);
    decisions += BATCH;
    tookMs = performance.now() - startedMs;
  }
  return (tookMs * 1e6) / decisions;
}

function bytesOf(table: RequestTable, requests: readonly RequestFacts[]): number {
  const before = process.memoryUsage().heapUsed;
  decide(table, requests, COUNTED_DECISIONS);
  return Math.round((process.memoryUsage().heapUsed - before) / COUNTED_DECISIONS);
}

/** How many were forwarded: a result that is used is not left out. */
function decide(table: RequestTable, requests: readonly RequestFacts[], times: number): number {
  let forwarded = 0;
  for (let at = 0; at < times; at++) {
    const facts = requests[at % REQUESTS];
    if (facts !== undefined && decideRequest(table, facts).kind === "forward") forwarded += 1;
  }
  return forwarded;
}

function toTable({ rules, match }: Case): RequestTable {
  const backends = [
    { service: "shop/catalog-v1", port: 80, weight: 90 },
    { service: "shop/catalog-v2", port: 80, weight: 10 },
  ];
  const entry: RouteEntry = {
    key: "shop/catalog:80",
    service: "shop/catalog",
    port: 80,
    kind: "HTTPRoute",
    rules: Array.from({ length: rules }, (_, index) => ({ route: "shop/catalog", index, backends })),
    matches: Array.from({ length: rules }, (_, index) => ({ rule: index, index: 0, ...match(index) })),
  };
  return { routes: new RouteIndex([entry]), hasEndpoints: () => true };
}

function toFacts({ request }: Case, index: number): RequestFacts {
  return {
    source: { namespace: "shop" },
    service: "shop/catalog",
    port: 80,
    scheme: "http",
    method: "GET",
    authority: "catalog.shop",
    random: 0.5,
    mirrorRandom: 0.5,
    ...request(index),
  };
}

/** Paths of one length, as a large application has them. */
function prefix(index: number): string {
  return `/api/v1/team-${index % 50}/service-${index}`;
}
