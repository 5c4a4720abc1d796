/** Faults of a TrafficPolicy: what is done to some requests on purpose, for a while, to see what callers make of it. */
import { z } from "zod";
import { byteSizeBetween, durationBetween, percentage, time } from "../scalar-schemas.ts";
import { MAX_FAULTS } from "./limits.ts";
import { requestCondition } from "./request-condition-schema.ts";

const STATUS = "a status code from 400 to 599";
const GRPC_STATUS = "a gRPC code from 1 to 16";
const SOME = "at least one of delay, abort and bandwidth";

const fault = z
  .strictObject({
    percent: percentage.default(100).describe("Share of the requests for which `when` holds."),
    when: requestCondition.optional().describe("Which requests; absent: all."),
    until: time.describe(
      "When it ends by itself. An agent that reads a time more than 7 days ahead ends it after 7 days.",
    ),
    delay: durationBetween("1ms", "5m").optional().describe("Before the request is sent on."),
    abort: z
      .strictObject({
        status: z.int({ error: STATUS }).min(400, STATUS).max(599, STATUS).describe("Status of the answer."),
        grpcStatus: z
          .int({ error: GRPC_STATUS })
          .min(1, GRPC_STATUS)
          .max(16, GRPC_STATUS)
          .optional()
          .describe("What gRPC callers are told; absent: what gRPC makes of `status`."),
      })
      .optional()
      .describe("An answer instead of the backend's, after the delay."),
    bandwidth: byteSizeBetween("1", "1Gi").optional().describe("Of the answer's body, in bytes per second."),
  })
  .superRefine(({ delay, abort, bandwidth }, context) => {
    if ([delay, abort, bandwidth].some((each) => each !== undefined)) return;
    context.addIssue({ code: "custom", path: [], message: SOME });
  });

export const faults = z.array(fault).min(1, "at least one entry").max(MAX_FAULTS, `at most ${MAX_FAULTS} faults`);
