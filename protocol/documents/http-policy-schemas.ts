/** The HTTP part of a TrafficPolicy: how long requests to a Service may take, and when they are sent again. */
import { z } from "zod";
import { duration, positiveDuration } from "./scalar-schemas.ts";

const ATTEMPTS = "a number of retries from 0 to 100";
const PERCENT = "a percentage from 0 to 100";
const COUNT = "a whole number from 0 to 1000000";

/** "0s" switches a timeout off. */
export const timeouts = z
  .strictObject({
    request: duration
      .optional()
      .describe(
        "From the first byte of the request to the last of the answer, retries included; 0s: without end; absent: without end.",
      ),
    perTry: duration.optional().describe("The same for one attempt; 0s: without end; absent: without end."),
    connect: positiveDuration.optional().describe("For a connection to an endpoint; absent: 8s."),
    idle: duration.optional().describe("Without a byte in either direction; 0s: as absent; absent: 24h."),
  })
  .superRefine(({ request, perTry }, context) => {
    if (request === undefined || perTry === undefined || request === 0 || perTry <= request) return;
    context.addIssue({ code: "custom", path: ["perTry"], message: "a duration not longer than request" });
  })
  .transform(({ request, perTry, connect, idle }) => ({
    requestMs: request,
    perTryMs: perTry,
    connectMs: connect,
    idleMs: idle,
  }));

/** What an attempt may end with to be repeated: kinds of failures, gRPC codes, and HTTP status codes. */
const retryOn = z.union(
  [
    z.enum([
      "connect-failure",
      "reset",
      "refused-stream",
      "gateway-error",
      "5xx",
      "cancelled",
      "deadline-exceeded",
      "resource-exhausted",
      "unavailable",
    ]),
    z.int().min(400).max(599),
  ],
  {
    error:
      "connect-failure, reset, refused-stream, gateway-error, 5xx, a gRPC code (cancelled, deadline-exceeded, resource-exhausted, unavailable) or a status code from 400 to 599",
  },
);

/** GEP-3388: retries are at most this share of the requests of the interval, or this many when they are few. */
const retryBudget = z
  .strictObject({
    percent: z
      .int({ error: PERCENT })
      .min(0, PERCENT)
      .max(100, PERCENT)
      .default(20)
      .describe("Retries are at most this share of the requests of the interval."),
    interval: positiveDuration.prefault("10s").describe("Over which requests and retries are counted."),
    minRetryRate: z
      .strictObject({
        count: z.int({ error: COUNT }).min(0, COUNT).max(1_000_000, COUNT).default(10).describe("So many retries"),
        interval: positiveDuration.prefault("1s").describe("in so long."),
      })
      .prefault({})
      .describe("So many are allowed however few requests there are."),
  })
  .transform(({ percent, interval, minRetryRate }) => ({
    percent,
    intervalMs: interval,
    minRetries: minRetryRate.count,
    minRetriesIntervalMs: minRetryRate.interval,
  }));

export const retries = z
  .strictObject({
    attempts: z
      .int({ error: ATTEMPTS })
      .min(0, ATTEMPTS)
      .max(100, ATTEMPTS)
      .optional()
      .describe("After the first one; absent: 1."),
    on: z
      .array(retryOn)
      .max(32, "at most 32 reasons")
      .optional()
      .describe("What an attempt ends with; absent: connect-failure, reset, refused-stream."),
    backoff: duration.optional().describe("Before the first retry, doubled before each further one; absent: 25ms."),
    budget: retryBudget.optional().describe("What retries may be of the traffic; absent: all its defaults."),
  })
  .transform(({ attempts, on, backoff, budget }) => ({ attempts, on, backoffMs: backoff, budget }));
