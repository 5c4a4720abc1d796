/** Parts of a TrafficPolicy that keep load away: sizes, concurrency, circuit breaker, rate limits and quota. */
import { z } from "zod";
import { byteSizeBetween, countOf, durationBetween, percentage, subdomainName } from "../scalar-schemas.ts";
import { MAX_RATE_LIMITS, MAX_REQUESTS, MAX_WAITING } from "./limits.ts";
import { valueSource } from "./value-source-schemas.ts";

const SOME_SIZE = "at least one of requestBody, responseBody and requestHeaders";

export const sizes = z
  .strictObject({
    requestBody: byteSizeBetween("0", "1024Gi").optional().describe("Of a request's body; beyond: 413."),
    responseBody: byteSizeBetween("1", "1024Gi")
      .optional()
      .describe("Of an answer's body; beyond: 502, or the answer ends there when it has begun."),
    // The agents read no longer heads at all.
    requestHeaders: byteSizeBetween("256", "64Ki").optional().describe("Of a request's fields together; beyond: 431."),
  })
  .superRefine((value, context) => {
    if (Object.values(value).some((each) => each !== undefined)) return;
    context.addIssue({ code: "custom", path: [], message: SOME_SIZE });
  });

export const concurrency = z.strictObject({
  maxRequests: countOf("requests", 1, MAX_REQUESTS).describe("Under way at once, for each agent."),
  maxWaiting: countOf("requests", 0, MAX_WAITING).default(0).describe("Wait in order for their turn; beyond: 503."),
  maxWait: durationBetween("1ms", "1m").prefault("1s").describe("Longest wait; then 503."),
});

export const circuitBreaker = z.strictObject({
  window: durationBetween("1s", "10m").prefault("10s").describe("Time over which errors are counted."),
  minRequests: countOf("requests", 1, MAX_REQUESTS)
    .default(20)
    .describe("With fewer requests in the window it does not open."),
  errorPercent: percentage
    .default(50)
    .describe("It opens when this share of the requests in the window fails: 5xx, resets, timeouts."),
  openFor: durationBetween("100ms", "10m")
    .prefault("5s")
    .describe("All requests are answered with 503 for so long; then some are let through to find out."),
  halfOpenRequests: countOf("requests", 1, 1000)
    .default(3)
    .describe("Let through to find out. All good: it closes; one bad: it opens again."),
});

const rateLimit = z.strictObject({
  requests: countOf("requests", 1, MAX_REQUESTS).describe(
    "In each period, for each agent; beyond: 429 with Retry-After.",
  ),
  per: durationBetween("100ms", "1h").prefault("1s").describe("The period."),
  burst: countOf("requests", 1, MAX_REQUESTS).optional().describe("At once after a quiet time; absent: `requests`."),
  by: valueSource
    .optional()
    .describe(
      "A count of its own for each value: `source` (the calling pod), `identity`, a header, a query parameter or a cookie. " +
        "Requests without the value share one. Absent: one count for all.",
    ),
});

export const rateLimits = z
  .array(rateLimit)
  .min(1, "at least one entry")
  .max(MAX_RATE_LIMITS, `at most ${MAX_RATE_LIMITS} rate limits`);

export const quota = z.strictObject({
  name: subdomainName
    .optional()
    .describe(
      "Policies of the whole mesh that name the same quota share it, and must have the same `requests` and `per`; " +
        "absent: one of its own, called `namespace/name` of the policy.",
    ),
  requests: countOf("requests", 1, 100 * MAX_REQUESTS).describe(
    "In each period, for all agents together; beyond: 429 with Retry-After.",
  ),
  per: durationBetween("1s", "1h")
    .prefault("1s")
    .describe(
      "The period. A quota is a rate with bursts of some percent of `requests`: the longer the period, the longer the bursts.",
    ),
});
