/** Parts of a TrafficPolicy for a Service: which of its endpoints take what, and which are left out for a while. */
import { z } from "zod";
import { ejectionFields, longestEjection, LOAD_BALANCER_ALGORITHMS } from "../policy-schemas.ts";
import { countOf, durationBetween, percentage } from "../scalar-schemas.ts";
import { MAX_REQUESTS } from "./limits.ts";
import { hashSource } from "./value-source-schemas.ts";

const FACTOR = "a factor from 1.1 to 100";

const slowStart = z.strictObject({
  window: durationBetween("1s", "1h").describe("Over this time a new endpoint's share grows to the whole."),
  minPercent: percentage.default(10).describe("Of its share, to begin with."),
});

export const serviceLoadBalancer = z
  .strictObject({
    algorithm: z
      .enum([...LOAD_BALANCER_ALGORITHMS, "hash"])
      .optional()
      .describe("Which endpoint takes the next request or connection; absent: the mesh's."),
    hash: hashSource
      .optional()
      .describe(
        "With algorithm hash: requests with equal values go to one endpoint, those without a value to one with little to do. A client without the cookie gets one; absent: none.",
      ),
    slowStart: slowStart
      .optional()
      .describe("Endpoints that join others get their share little by little; absent: at once."),
    honorRetryAfter: z
      .boolean()
      .optional()
      .describe(
        "An endpoint that answers 429 or 503 with Retry-After gets nothing until then (for a minute at most) while others can; absent: true.",
      ),
  })
  .superRefine(({ algorithm, hash }, context) => {
    const wrong = (message: string) => context.addIssue({ code: "custom", path: ["hash"], message });
    if (algorithm === "hash" && hash === undefined) wrong("a header, a query parameter or a cookie for algorithm hash");
    if (algorithm !== "hash" && hash !== undefined) wrong("no hash but with algorithm hash");
  });

const judged = {
  minRequests: countOf("requests", 1, MAX_REQUESTS).default(20).describe("With fewer in an interval it is not judged."),
  interval: durationBetween("1s", "10m").prefault("10s").describe("How often it is judged."),
};

export const serviceEjection = z
  .strictObject({
    ...ejectionFields,
    consecutiveErrors: countOf("errors", 1, 1000)
      .optional()
      .describe("Answers with 5xx and resets in a row that eject an endpoint; absent: they do not."),
    successShare: z
      .strictObject({
        percent: percentage.describe("Least share of good answers."),
        ...judged,
      })
      .optional()
      .describe("Ejects an endpoint that answers well too rarely; absent: off."),
    latency: z
      .strictObject({
        factor: z
          .number({ error: FACTOR })
          .min(1.1, FACTOR)
          .max(100, FACTOR)
          .describe("More than so many times the median of the Service's other endpoints."),
        ...judged,
      })
      .optional()
      .describe(
        "Ejects an endpoint whose answers (the median of an interval) take too long, and 10 ms longer than the others'; absent: off.",
      ),
    return: durationBetween("1s", "1h")
      .optional()
      .describe(
        "Over this time an endpoint's share grows again after an ejection or a pause; absent: at once, after a pause for as long as that was and 10 s at most.",
      ),
  })
  .superRefine(longestEjection);

export const spillOver = z.strictObject({
  minHealthyPercent: percentage.describe(
    "While a smaller share of the endpoints of the node or zone that is preferred can take requests, others take a part.",
  ),
});
