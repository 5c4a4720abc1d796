/** The HTTP part of a TrafficPolicy: how long requests to a Service may take, and when they are sent again. */
import { z } from "zod";
import { duration, positiveDuration } from "./scalar-schemas.ts";

const ATTEMPTS = "a number of retries from 0 to 100";
const PERCENT = "a percentage from 0 to 100";
const COUNT = "a whole number from 0 to 1000000";

/** "0s" switches a timeout off. */
export const timeouts = z
  .strictObject({
    /** From the first byte of the request to the last of the response, retries included. */
    request: duration.optional(),
    /** The same for one attempt. */
    perTry: duration.optional(),
    /** For a connection to an endpoint. */
    connect: positiveDuration.optional(),
    /** Without a byte in either direction. */
    idle: duration.optional(),
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
    percent: z.int({ error: PERCENT }).min(0, PERCENT).max(100, PERCENT).default(20),
    interval: positiveDuration.default(10_000),
    minRetryRate: z
      .strictObject({
        count: z.int({ error: COUNT }).min(0, COUNT).max(1_000_000, COUNT).default(10),
        interval: positiveDuration.default(1_000),
      })
      .default({ count: 10, interval: 1_000 }),
  })
  .transform(({ percent, interval, minRetryRate }) => ({
    percent,
    intervalMs: interval,
    minRetries: minRetryRate.count,
    minRetriesIntervalMs: minRetryRate.interval,
  }));

export const retries = z
  .strictObject({
    attempts: z.int({ error: ATTEMPTS }).min(0, ATTEMPTS).max(100, ATTEMPTS).optional(),
    on: z.array(retryOn).max(32, "at most 32 reasons").optional(),
    /** Before the first retry; doubled before each further one. */
    backoff: duration.optional(),
    budget: retryBudget.optional(),
  })
  .transform(({ attempts, on, backoff, budget }) => ({ attempts, on, backoffMs: backoff, budget }));
