/** Parts of a TrafficPolicy about where an answer comes from: fallback, hedging and collapsing. */
import { z } from "zod";
import { UNTOUCHABLE, UNTOUCHABLE_HEADERS } from "../gateway/filter-schemas.ts";
import { headerName, headerValue } from "../gateway/match-schemas.ts";
import { countOf, durationBetween, labelName, portNumber } from "../scalar-schemas.ts";
import { MAX_FALLBACK_BODY_CHARACTERS, MAX_HEADERS, MAX_WAITING } from "./limits.ts";

const ERROR_STATUS = "a status code from 400 to 599";
const STATUS = "a status code from 200 to 599";
const BODY = `a text with at most ${MAX_FALLBACK_BODY_CHARACTERS} characters`;
const ONE_OF_THREE = "one of response, backend and lastGood";

const fixedHeader = z
  .strictObject({
    name: headerName.describe("Its name."),
    value: headerValue.describe("Its value."),
  })
  .superRefine(({ name }, context) => {
    if (!UNTOUCHABLE_HEADERS.has(name.toLowerCase())) return;
    context.addIssue({ code: "custom", path: ["name"], message: UNTOUCHABLE });
  });

const response = z.strictObject({
  status: z.int({ error: STATUS }).min(200, STATUS).max(599, STATUS).default(200).describe("Its status."),
  headers: z.array(fixedHeader).max(MAX_HEADERS, `at most ${MAX_HEADERS} headers`).default([]).describe("Its headers."),
  body: z
    .string({ error: BODY })
    .max(MAX_FALLBACK_BODY_CHARACTERS, BODY)
    .default("")
    .describe("Its body; statuses 204 and 304 have none."),
});

export const fallback = z
  .strictObject({
    on: z
      .array(z.int({ error: ERROR_STATUS }).min(400, ERROR_STATUS).max(599, ERROR_STATUS))
      .min(1, "at least one entry")
      .max(32, "at most 32 statuses")
      .default([502, 503, 504])
      .describe(
        "Statuses in whose place it comes, after all tries; also those of answers that the agent makes itself. A gRPC status " +
          "that comes alone counts as HTTP's for it: UNAVAILABLE 503, DEADLINE_EXCEEDED 504, RESOURCE_EXHAUSTED 429, " +
          "UNKNOWN, INTERNAL and DATA_LOSS 500.",
      ),
    response: response.optional().describe("This answer."),
    backend: z
      .strictObject({
        name: labelName.describe("Name of the Service."),
        namespace: labelName.optional().describe("Its namespace; absent: the policy's."),
        port: portNumber.describe("The Service's port."),
      })
      .optional()
      .describe("The answer of another Service."),
    lastGood: z
      .strictObject({ maxAge: durationBetween("1s", "24h").describe("Not older than this.") })
      .optional()
      .describe("The last good answer to the same GET, where there is one."),
  })
  .superRefine(({ response: own, backend, lastGood }, context) => {
    if ([own, backend, lastGood].filter((each) => each !== undefined).length === 1) return;
    context.addIssue({ code: "custom", path: [], message: ONE_OF_THREE });
  });

export const hedging = z.strictObject({
  after: durationBetween("1ms", "1m")
    .optional()
    .describe("Wait before each further try; absent: the 95th percentile of the last answers."),
  attempts: countOf("tries", 1, 5).default(1).describe("Besides the first; within the budget of `retries`."),
});

export const collapse = z.strictObject({
  headers: z
    .array(headerName)
    .max(MAX_HEADERS, `at most ${MAX_HEADERS} headers`)
    .default(["accept", "accept-encoding", "accept-language"])
    .describe(
      "Requests that differ in one of these are not identical; nor are those that differ in `authorization` or `cookie`, " +
        "whatever is written here.",
    ),
  maxWaiting: countOf("requests", 1, MAX_WAITING).default(100).describe("For one answer; beyond, each is sent itself."),
});
