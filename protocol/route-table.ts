/**
 * Routes as they travel in the routing table: what HTTPRoutes, GRPCRoutes and policies say about requests to one port of
 * one Service, compiled so that whoever forwards needs no document and resolves nothing. Plain JSON, replaced whole.
 *
 * What is absent is not said: it has no effect, or the forwarder's own default.
 */

export type RouteKind = "HTTPRoute" | "GRPCRoute";
/** `TrafficPolicy`: no route at all, but a policy about requests; its one rule sends everything to the Service itself. */
export type RulesKind = RouteKind | "TrafficPolicy";

/** All routes of one group for one port of one Service: the rules of several documents, merged. */
export interface RouteEntry {
  /** `shop/catalog:80`; with callers of one namespace only, `shop/catalog:80@team-a`. */
  readonly key: string;
  /** Key of the Service that is dialled. */
  readonly service: string;
  readonly port: number;
  /**
   * Absent: the producer's routes, for every caller. Else a consumer's: for callers of this namespace, who are then not
   * under the producer's (GEP-1294).
   */
  readonly consumer?: string;
  /** One kind only holds on a port: GRPCRoute before HTTPRoute. */
  readonly kind: RulesKind;
  readonly rules: readonly RouteRule[];
  /** In order of precedence: a request is under the rule of the first one that it satisfies. */
  readonly matches: readonly RouteMatch[];
}

export interface RouteMatch {
  /** Position in the entry's `rules`. */
  readonly rule: number;
  /** Position in the rule's own list of matches, for whoever looks for it in the document. */
  readonly index: number;
  readonly path: RoutePathMatch;
  readonly method?: string;
  /** Names in lower case, each once. */
  readonly headers?: readonly RouteValueMatch[];
  readonly query?: readonly RouteValueMatch[];
  /** What a match of the Gateway API has no words for. */
  readonly when?: RequestCondition;
}

/** All that are present must hold. */
export interface RequestCondition {
  /** Of the caller: SPIFFE identities, any of them. */
  readonly identities?: readonly string[];
  /** Of the caller, any of them. */
  readonly namespaces?: readonly string[];
  /** Of its verified JWT: each claim (a path with dots) has one of the values. */
  readonly claims?: readonly { readonly name: string; readonly values: readonly string[] }[];
  /** A share of users: always the same ones, for as long as `seed` is the same. */
  readonly users?: { readonly percent: number; readonly by: ValueSource; readonly seed: string };
}

/** Where a value that tells requests apart comes from; a request without it has none. */
export type ValueSource =
  | { readonly from: "source" }
  | { readonly from: "identity" }
  | { readonly from: "header"; readonly name: string }
  | { readonly from: "query"; readonly name: string }
  | { readonly from: "cookie"; readonly name: string; readonly path?: string; readonly ttlMs?: number };

/** `value` is in the normal spelling that requests' paths are brought to, except that of a regular expression. */
export interface RoutePathMatch {
  /**
   *   exact    the whole path
   *   prefix   whole segments; without a slash at the end, so "" is every path
   *   suffix   the end of the path: a gRPC method of any service
   *   regex    a regular expression (RE2) for the whole path
   */
  readonly type: "exact" | "prefix" | "suffix" | "regex";
  readonly value: string;
}

/** Exactly one of `value` and `regex` is set; a regular expression is for the whole value. */
export interface RouteValueMatch {
  readonly name: string;
  readonly value?: string;
  readonly regex?: string;
}

export interface RouteRule {
  /** `namespace/name` of the document. */
  readonly route: string;
  /** Position in the document's rules. */
  readonly index: number;
  readonly name?: string;
  readonly filters?: RouteFilters;
  readonly backends: readonly RouteBackend[];
  readonly timeouts?: RouteTimeouts;
  readonly retry?: RouteRetry;
  readonly session?: RouteSession;
  readonly sizes?: RequestSizes;
  readonly concurrency?: ConcurrencyLimit;
  readonly breaker?: CircuitBreaker;
  readonly rateLimits?: readonly RateLimit[];
  readonly quotas?: readonly Quota[];
  readonly faults?: readonly Fault[];
  readonly fallback?: Fallback;
  readonly hedging?: Hedging;
  readonly collapsing?: Collapsing;
}

/** Why requests of a backend's share are answered with an error: a reason of the condition ResolvedRefs. */
export type BackendProblem = "InvalidKind" | "BackendNotFound" | "RefNotPermitted" | "UnsupportedProtocol";

export interface RouteTarget {
  /** Key of the Service. */
  readonly service: string;
  readonly port: number;
  /** Absent: all endpoints of the Service. */
  readonly subset?: RouteSubset;
}

export interface RouteSubset {
  /** `namespace/name` of the document, for people. */
  readonly name: string;
  /** An endpoint's pod has all of these labels; an endpoint without a pod is in no subset. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface RouteBackend extends RouteTarget {
  /** Share of the requests, relative to the sum of the rule's weights. */
  readonly weight: number;
  readonly problem?: BackendProblem;
  /** Of requests that go to this backend, after the rule's. */
  readonly filters?: RouteFilters;
}

/** Every filter occurs once in a list, but mirrors: so their order is not kept. */
export interface RouteFilters {
  readonly requestHeaders?: HeaderChanges;
  readonly responseHeaders?: HeaderChanges;
  readonly redirect?: RouteRedirect;
  readonly rewrite?: RouteRewrite;
  readonly mirrors?: readonly RouteMirror[];
  readonly cors?: RouteCors;
  /** `group/kind name` of an extension that nobody here knows: such requests are answered with an error, not let through. */
  readonly unknownExtension?: string;
}

/** Applied in the order set, add, remove. Names in lower case. */
export interface HeaderChanges {
  readonly set?: readonly HeaderField[];
  /** Appended to the values that are there. */
  readonly add?: readonly HeaderField[];
  readonly remove?: readonly string[];
}

export type HeaderField = readonly [name: string, value: string];

export interface PathChange {
  /** The whole path, with a query of its own where it has one; or the part that the prefix match has matched. */
  readonly type: "full" | "prefix";
  readonly value: string;
}

export interface RouteRedirect {
  readonly status: number;
  readonly scheme?: "http" | "https";
  readonly hostname?: string;
  readonly port?: number;
  readonly path?: PathChange;
}

export interface RouteRewrite {
  readonly hostname?: string;
  readonly path?: PathChange;
}

export interface RouteMirror extends RouteTarget {
  /** Of the requests, `numerator` in `denominator` are mirrored. */
  readonly numerator: number;
  readonly denominator: number;
}

export interface RouteCors {
  readonly allowOrigins: readonly string[];
  readonly allowCredentials: boolean;
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeSeconds: number;
}

/** In milliseconds; 0 is without end. */
export interface RouteTimeouts {
  readonly requestMs?: number;
  readonly perTryMs?: number;
  readonly connectMs?: number;
  readonly idleMs?: number;
}

/** What an attempt may end with to be repeated; a number is a status code. */
export type RetryReason =
  | "connect-failure"
  | "reset"
  | "refused-stream"
  | "gateway-error"
  | "5xx"
  | "cancelled"
  | "deadline-exceeded"
  | "resource-exhausted"
  | "unavailable"
  | number;

export interface RouteRetry {
  /** After the first attempt. */
  readonly attempts: number;
  readonly on: readonly RetryReason[];
  /** At least this long before the first retry. */
  readonly backoffMs: number;
  readonly budget: RetryBudget;
}

/** Retries are at most `percent` of the requests of the last interval, or the minimum while these are few (GEP-3388). */
export interface RetryBudget {
  readonly percent: number;
  readonly intervalMs: number;
  readonly minRetries: number;
  readonly minRetriesIntervalMs: number;
}

/** GEP-1619. */
export type RouteSession =
  | {
      readonly type: "cookie";
      readonly name: string;
      readonly path: string;
      /** The cookie outlives the client's session, up to `timeoutMs`. */
      readonly permanent: boolean;
      readonly timeoutMs?: number;
    }
  | { readonly type: "header"; readonly name: string; readonly timeoutMs?: number };

/** What every part of a TrafficPolicy carries. */
export interface PolicyPart {
  /** `namespace/name` of the TrafficPolicy, for people. */
  readonly policy: string;
  /**
   * What shares one state (a count, a queue, a breaker): rules with the same text here. The thing that the policy is for:
   * `Service shop/catalog`, `HTTPRoute shop/canary`, `HTTPRoute shop/canary checkout`.
   */
  readonly scope: string;
}

/** In bytes. */
export interface RequestSizes extends PolicyPart {
  /** Of a request's body: 413. */
  readonly requestBytes?: number;
  /** Of an answer's body: 502, or cut short. */
  readonly responseBytes?: number;
  /** Of a request's fields: 431. */
  readonly requestHeaderBytes?: number;
}

/** A bulkhead, for each agent: requests beyond wait in order, then 503. */
export interface ConcurrencyLimit extends PolicyPart {
  readonly maxRequests: number;
  /** 0: none waits. */
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
}

/**
 * closed --share of errors over the window--> open --openMs--> half-open --all probes good--> closed
 *                                               ^--------------one probe bad--------/
 */
export interface CircuitBreaker extends PolicyPart {
  readonly windowMs: number;
  /** Below this many requests in the window it stays closed. */
  readonly minRequests: number;
  readonly errorPercent: number;
  readonly openMs: number;
  /** Let through while it is half open. */
  readonly halfOpenRequests: number;
}

/** A token bucket of each agent: `requests` per `perMs`, `burst` at once; beyond, 429 with Retry-After. */
export interface RateLimit extends PolicyPart {
  readonly requests: number;
  readonly perMs: number;
  readonly burst: number;
  /** A bucket for each value; absent: one for all. A request without the value shares one. */
  readonly by?: ValueSource;
}

/** Of the whole cluster, leased to the agents by demand: `requests` per `perMs`; beyond, 429 with Retry-After. */
export interface Quota extends PolicyPart {
  /** Unique in the mesh: policies that name the same one share it. */
  readonly name: string;
  readonly requests: number;
  readonly perMs: number;
}

/** Only for `percent` of the requests that satisfy `when`, and until the clock says so. */
export interface Fault extends PolicyPart {
  readonly percent: number;
  readonly when?: RequestCondition;
  /** Milliseconds since 1970 UTC. */
  readonly untilMs: number;
  readonly delayMs?: number;
  readonly abort?: { readonly status: number; readonly grpcStatus?: number };
  /** Of the answer's body. */
  readonly bytesPerSecond?: number;
}

/** Instead of an error: after all tries, and for requests that protection has refused. */
export interface Fallback extends PolicyPart {
  /** Statuses of answers, gRPC's as HTTP's; an answer of ours always counts by its status. */
  readonly on: readonly number[];
  readonly response?: {
    readonly status: number;
    readonly headers: readonly HeaderField[];
    readonly body: string;
  };
  readonly backend?: RouteTarget;
  /** The last good answer to the same GET, when it is not older. */
  readonly lastGoodMs?: number;
}

/** A second try beside the first, which is not answered after a while; the first answer wins. From the retry budget. */
export interface Hedging extends PolicyPart {
  /** Wait before each further try; absent: the 95th percentile of the last answers. */
  readonly afterMs?: number;
  /** Besides the first. */
  readonly attempts: number;
  readonly budget: RetryBudget;
}

/** Identical GETs that are under way at the same time are sent once. */
export interface Collapsing extends PolicyPart {
  /** Besides method, authority, path and query: requests that differ in these are not identical. Names in lower case. */
  readonly headers: readonly string[];
  readonly maxWaiting: number;
}
