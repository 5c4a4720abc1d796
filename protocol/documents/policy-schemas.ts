/** The parts that a Mesh has as defaults for all Services, and a TrafficPolicy for one. */
import { z } from "zod";
import { duration, positiveDuration } from "./scalar-schemas.ts";

const FAILURES = "a number of failures from 0 (never eject) to 1000";
const PERCENT = "a percentage from 0 to 100";

export const locality = z.enum(["prefer-local", "prefer-zone", "spread"]);

export const loadBalancer = z.strictObject({
  algorithm: z.enum(["least-request", "peak-ewma", "round-robin", "random", "source-hash"]),
});

/** What is absent comes from the mesh, and there from the built-in defaults. */
export const ejection = z
  .strictObject({
    consecutiveFailures: z.int({ error: FAILURES }).min(0, FAILURES).max(1000, FAILURES).optional(),
    baseEjection: positiveDuration.optional(),
    maxEjection: duration.optional(),
    maxEjectionPercent: z.int({ error: PERCENT }).min(0, PERCENT).max(100, PERCENT).optional(),
  })
  .superRefine(({ baseEjection, maxEjection }, context) => {
    // A value that is no duration was reported, and is still text.
    if (typeof baseEjection !== "number" || typeof maxEjection !== "number" || maxEjection >= baseEjection) return;
    context.addIssue({ code: "custom", path: ["maxEjection"], message: "a duration not shorter than baseEjection" });
  })
  .transform(({ consecutiveFailures, baseEjection, maxEjection, maxEjectionPercent }) => ({
    consecutiveFailures,
    baseEjectionMs: baseEjection,
    maxEjectionMs: maxEjection,
    maxEjectionPercent,
  }));
