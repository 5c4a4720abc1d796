/**
 * Random routes and requests: the compiled entries and their fast matcher find what a reader of the documents finds who
 * tries every match of every rule, and of those that are satisfied takes the one that the API puts first.
 */
import test from "ava";
import fc from "fast-check";
import { RequestWorld, service } from "./request-world.ts";

interface Value {
  readonly name: string;
  readonly value: string;
  readonly type: "Exact" | "RegularExpression";
}

interface Match {
  readonly path: { readonly type: "Exact" | "PathPrefix" | "RegularExpression"; readonly value: string };
  readonly method?: "GET" | "POST";
  readonly headers: readonly Value[];
  readonly queryParams: readonly Value[];
}

interface Rule {
  readonly matches: readonly Match[];
  /** Name of a RequestMatch. */
  readonly when: keyof typeof CONDITIONS | undefined;
}

interface Route {
  readonly name: string;
  readonly created: string;
  readonly rules: readonly Rule[];
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
  readonly headers: Readonly<Record<string, string>>;
  readonly from: string;
  readonly identity: string;
}

const IDENTITY = "spiffe://cluster.local/ns/shop/sa";
/** What requests satisfy each, in words of this file. */
const CONDITIONS = {
  web: { spec: { identities: [`${IDENTITY}/web`] }, holds: (asked: Request) => asked.identity.endsWith("/web") },
  other: { spec: { namespaces: ["other"] }, holds: ({ from }: Request) => from === "other" },
  ones: {
    spec: { users: { percent: 100, by: { header: "X-A" } } },
    holds: ({ headers }: Request) => headers["x-a"] !== undefined,
  },
} as const;

const path = fc
  .array(fc.constantFrom("/a", "/b", "/ab"), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join(""));
const slashed = fc.tuple(path, fc.constantFrom("", "/")).map((parts) => parts.join(""));
const expression = fc.constantFrom("/a/.*", "/(a|b)", "/a[^/]*/b", ".*b", "/ab?/?.*");
const value = fc.constantFrom("1", "2");

const values = (names: readonly string[]) =>
  fc.uniqueArray(
    fc.record({
      name: fc.constantFrom(...names),
      value,
      type: fc.constantFrom("Exact" as const, "Exact" as const, "RegularExpression" as const),
    }),
    { selector: ({ name }) => name, maxLength: 2 },
  );

const match: fc.Arbitrary<Match> = fc.record(
  {
    path: fc.oneof(
      slashed.map((text) => ({ type: "Exact" as const, value: text })),
      fc.oneof(slashed, fc.constant("/")).map((text) => ({ type: "PathPrefix" as const, value: text })),
      expression.map((text) => ({ type: "RegularExpression" as const, value: text })),
    ),
    method: fc.constantFrom("GET" as const, "POST" as const),
    headers: values(["x-a", "x-b"]),
    queryParams: values(["p", "q"]),
  },
  { requiredKeys: ["path", "headers", "queryParams"] },
);

const routes: fc.Arbitrary<readonly Route[]> = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom("r1", "r2", "r3", "r4"),
    created: fc.constantFrom("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-02T00:00:00Z"),
    rules: fc.array(
      fc.record({
        matches: fc.array(match, { minLength: 1, maxLength: 8 }),
        when: fc.constantFrom(undefined, undefined, "web" as const, "other" as const, "ones" as const),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  { selector: ({ name }) => name, minLength: 1, maxLength: 4 },
);

const request: fc.Arbitrary<Request> = fc.record({
  method: fc.constantFrom("GET", "POST", "PUT"),
  path: fc.oneof(slashed, fc.constant("/")),
  query: fc.dictionary(fc.constantFrom("p", "q"), value).map((each) => new Map(Object.entries(each))),
  headers: fc.dictionary(fc.constantFrom("x-a", "x-b"), value),
  from: fc.constantFrom("shop", "other"),
  identity: fc.constantFrom(`${IDENTITY}/web`, `${IDENTITY}/admin`),
});

test("the fast matcher finds what trying everything finds", (t) => {
  const property = fc.property(routes, fc.array(request, { minLength: 1, maxLength: 10 }), (documents, requests) => {
    const texts = [...documents.map(toText), ...Object.entries(CONDITIONS).map(toRequestMatch)];
    const world = new RequestWorld(service("catalog") + texts.join("\n---\n"));
    t.deepEqual(world.told, []);
    for (const asked of requests) {
      const query = [...asked.query].map(([name, text]) => `${name}=${text}`).join("&");
      const target = query === "" ? asked.path : `${asked.path}?${query}`;
      const decision = world.decide("http://catalog", { ...asked, target });
      const by = decision.kind === "respond" ? decision.by : undefined;
      const found = by === undefined ? undefined : `${by.rule.route} ${by.rule.index} ${by.match.index}`;
      t.is(found, reference(documents, asked), JSON.stringify(asked));
    }
  });
  fc.assert(property, { numRuns: 400 });
});

function toText({ name, created, rules }: Route): string {
  const parentRefs = [{ group: "", kind: "Service", name: "catalog" }];
  return JSON.stringify({
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    metadata: { name, namespace: "shop", creationTimestamp: created },
    spec: { parentRefs, rules: rules.map(({ matches, when }) => ({ matches, filters: filtersOf(when) })) },
  });
}

function filtersOf(name: string | undefined): readonly object[] {
  if (name === undefined) return [];
  return [{ type: "ExtensionRef", extensionRef: { group: "hawser.dev", kind: "RequestMatch", name } }];
}

function toRequestMatch([name, { spec }]: readonly [string, { readonly spec: object }]): string {
  return JSON.stringify({
    apiVersion: "hawser.dev/v1",
    kind: "RequestMatch",
    metadata: { name, namespace: "shop" },
    spec,
  });
}

/** From the wording of HTTPRouteRule.matches, and that a condition goes before what would be a tie otherwise. */
function reference(documents: readonly Route[], asked: Request): string | undefined {
  const satisfied = documents.flatMap((route) =>
    route.rules.flatMap((rule, ruleIndex) =>
      rule.matches.flatMap((each, index) =>
        satisfies(each, asked) && (rule.when === undefined || CONDITIONS[rule.when].holds(asked))
          ? [{ route, rule, ruleIndex, each, index }]
          : [],
      ),
    ),
  );
  type Candidate = (typeof satisfied)[number];
  const criteria: ((a: Candidate, b: Candidate) => number)[] = [
    (a, b) => pathClass(b.each) - pathClass(a.each),
    (a, b) => pathLength(b.each) - pathLength(a.each),
    (a, b) => Number(b.each.method !== undefined) - Number(a.each.method !== undefined),
    (a, b) => b.each.headers.length - a.each.headers.length,
    (a, b) => b.each.queryParams.length - a.each.queryParams.length,
    (a, b) => Number(b.rule.when !== undefined) - Number(a.rule.when !== undefined),
    (a, b) => new Date(a.route.created).getTime() - new Date(b.route.created).getTime(),
    (a, b) => (a.route.name < b.route.name ? -1 : Number(a.route.name > b.route.name)),
    (a, b) => a.ruleIndex - b.ruleIndex,
    (a, b) => a.index - b.index,
  ];
  satisfied.sort((a, b) => criteria.map((compare) => compare(a, b)).find((order) => order !== 0) ?? 0);
  const [first] = satisfied;
  return first && `shop/${first.route.name} ${first.ruleIndex} ${first.index}`;
}

function satisfies({ path: wanted, method, headers, queryParams }: Match, asked: Request): boolean {
  const holds = ({ type, value: text }: Value, found: string | undefined) =>
    found !== undefined && (type === "Exact" ? found === text : new RegExp(`^(?:${text})$`).test(found));
  return (
    satisfiesPath(wanted, asked.path) &&
    (method === undefined || method === asked.method) &&
    headers.every((each) => holds(each, asked.headers[each.name])) &&
    queryParams.every((each) => holds(each, asked.query.get(each.name)))
  );
}

function satisfiesPath({ type, value: text }: Match["path"], asked: string): boolean {
  if (type === "Exact") return asked === text;
  if (type === "RegularExpression") return new RegExp(`^(?:${text})$`).test(asked);
  const wanted = text.split("/").filter((segment) => segment !== "");
  const found = asked.split("/").filter((segment) => segment !== "");
  return wanted.every((segment, index) => found[index] === segment);
}

function pathClass({ path: { type } }: Match): number {
  return type === "Exact" ? 3 : type === "RegularExpression" ? 2 : 1;
}

function pathLength({ path: { type, value: text } }: Match): number {
  return type === "PathPrefix" ? text.replace(/\/$/, "").length : text.length;
}
