/** The shape of routes that came over the wire or from a disk, for validate-messages.ts. */
import * as z from "zod";
import type { RouteEntry } from "../protocol/route-table.ts";

const text = z.string();
const name = text.min(1);
const port = z.int().min(1).max(65535);
const count = z.int().min(0);
const ms = z.number().min(0);

const valueMatch = z.object({ name, value: text.exactOptional(), regex: text.exactOptional() });

const percent = z.number().min(0).max(100);
const bytes = z.int().min(0);

export const valueSource = z.union([
  z.object({ from: z.enum(["source", "identity"]) }),
  z.object({ from: z.enum(["header", "query"]), name }),
  z.object({ from: z.literal("cookie"), name, path: text.exactOptional(), ttlMs: ms.exactOptional() }),
]);

const condition = z.object({
  identities: z.array(name).exactOptional(),
  namespaces: z.array(name).exactOptional(),
  claims: z.array(z.object({ name, values: z.array(text) })).exactOptional(),
  users: z.object({ percent, by: valueSource, seed: text }).exactOptional(),
});

const match = z.object({
  rule: count,
  index: count,
  path: z.object({ type: z.enum(["exact", "prefix", "suffix", "regex"]), value: text }),
  method: name.exactOptional(),
  headers: z.array(valueMatch).exactOptional(),
  query: z.array(valueMatch).exactOptional(),
  when: condition.exactOptional(),
});

/** A backend that does not exist may have no port. */
const target = {
  service: name,
  port: z.int().min(0).max(65535),
  subset: z.object({ name, labels: z.record(text, text) }).exactOptional(),
};
const fields = z.array(z.tuple([name, text]));
const headerChanges = z.object({
  set: fields.exactOptional(),
  add: fields.exactOptional(),
  remove: z.array(name).exactOptional(),
});
const pathChange = z.object({ type: z.enum(["full", "prefix"]), value: text });

const filters = z.object({
  requestHeaders: headerChanges.exactOptional(),
  responseHeaders: headerChanges.exactOptional(),
  redirect: z
    .object({
      status: z.int().min(300).max(399),
      scheme: z.enum(["http", "https"]).exactOptional(),
      hostname: name.exactOptional(),
      port: port.exactOptional(),
      path: pathChange.exactOptional(),
    })
    .exactOptional(),
  rewrite: z.object({ hostname: name.exactOptional(), path: pathChange.exactOptional() }).exactOptional(),
  mirrors: z.array(z.object({ ...target, numerator: count, denominator: z.int().min(1) })).exactOptional(),
  cors: z
    .object({
      allowOrigins: z.array(text),
      allowCredentials: z.boolean(),
      allowMethods: z.array(text),
      allowHeaders: z.array(text),
      exposeHeaders: z.array(text),
      maxAgeSeconds: count,
    })
    .exactOptional(),
  unknownExtension: text.exactOptional(),
});

const backend = z.object({
  ...target,
  weight: count,
  problem: z.enum(["InvalidKind", "BackendNotFound", "RefNotPermitted", "UnsupportedProtocol"]).exactOptional(),
  filters: filters.exactOptional(),
});

const RETRY_REASONS = [
  "connect-failure",
  "reset",
  "refused-stream",
  "gateway-error",
  "5xx",
  "cancelled",
  "deadline-exceeded",
  "resource-exhausted",
  "unavailable",
] as const;

const budget = z.object({ percent: ms, intervalMs: ms, minRetries: count, minRetriesIntervalMs: ms });
const status = z.int().min(100).max(599);

const retry = z.object({
  attempts: count,
  on: z.array(z.union([z.enum(RETRY_REASONS), status])),
  backoffMs: ms,
  budget,
});

const session = z.union([
  z.object({
    type: z.literal("cookie"),
    name,
    path: text,
    permanent: z.boolean(),
    timeoutMs: ms.exactOptional(),
  }),
  z.object({ type: z.literal("header"), name, timeoutMs: ms.exactOptional() }),
]);

const part = { policy: name, scope: name };

/** What TrafficPolicies say of requests. */
const policyParts = {
  sizes: z
    .object({
      ...part,
      requestBytes: bytes.exactOptional(),
      responseBytes: bytes.exactOptional(),
      requestHeaderBytes: bytes.exactOptional(),
    })
    .exactOptional(),
  concurrency: z.object({ ...part, maxRequests: count, maxWaiting: count, maxWaitMs: ms }).exactOptional(),
  breaker: z
    .object({
      ...part,
      windowMs: ms,
      minRequests: count,
      errorPercent: percent,
      openMs: ms,
      halfOpenRequests: count,
    })
    .exactOptional(),
  rateLimits: z
    .array(z.object({ ...part, requests: count, perMs: ms, burst: count, by: valueSource.exactOptional() }))
    .exactOptional(),
  quotas: z.array(z.object({ ...part, name, requests: count, perMs: ms })).exactOptional(),
  faults: z
    .array(
      z.object({
        ...part,
        percent,
        when: condition.exactOptional(),
        untilMs: z.number(),
        delayMs: ms.exactOptional(),
        abort: z.object({ status, grpcStatus: count.exactOptional() }).exactOptional(),
        bytesPerSecond: bytes.exactOptional(),
      }),
    )
    .exactOptional(),
  fallback: z
    .object({
      ...part,
      on: z.array(status),
      response: z.object({ status, headers: fields, body: text }).exactOptional(),
      backend: z.object(target).exactOptional(),
      lastGoodMs: ms.exactOptional(),
    })
    .exactOptional(),
  hedging: z.object({ ...part, afterMs: ms.exactOptional(), attempts: count, budget }).exactOptional(),
  collapsing: z.object({ ...part, headers: z.array(name), maxWaiting: count }).exactOptional(),
};

const rule = z.object({
  route: name,
  index: count,
  name: name.exactOptional(),
  filters: filters.exactOptional(),
  backends: z.array(backend),
  timeouts: z
    .object({
      requestMs: ms.exactOptional(),
      perTryMs: ms.exactOptional(),
      connectMs: ms.exactOptional(),
      idleMs: ms.exactOptional(),
    })
    .exactOptional(),
  retry: retry.exactOptional(),
  session: session.exactOptional(),
  ...policyParts,
});

export const routeSchema: z.ZodType<RouteEntry> = z.object({
  key: name,
  service: name,
  port,
  consumer: name.exactOptional(),
  kind: z.enum(["HTTPRoute", "GRPCRoute", "TrafficPolicy"]),
  rules: z.array(rule),
  matches: z.array(match),
});
