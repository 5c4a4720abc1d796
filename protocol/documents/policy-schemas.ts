/** The parts that a Mesh has as defaults for all Services, and a TrafficPolicy for one. */
import { z } from "zod";
import { duration, positiveDuration } from "./scalar-schemas.ts";

const FAILURES = "a number of failures from 0 (never eject) to 1000";
const PERCENT = "a percentage from 0 to 100";

export const locality = z.enum(["prefer-local", "prefer-zone", "spread"]);

/** What a mesh may have; a hash needs to know of what, and that is a matter of one Service. */
export const LOAD_BALANCER_ALGORITHMS = ["least-request", "peak-ewma", "round-robin", "random", "source-hash"] as const;

export const loadBalancer = z.strictObject({ algorithm: z.enum(LOAD_BALANCER_ALGORITHMS) });

/** What is absent comes from the mesh, and there from the built-in defaults. */
export const ejectionFields = {
  consecutiveFailures: z
    .int({ error: FAILURES })
    .min(0, FAILURES)
    .max(1000, FAILURES)
    .optional()
    .describe("Connects in a row that fail and eject an endpoint, 0: never; absent: the mesh's, else 2."),
  baseEjection: positiveDuration
    .optional()
    .describe("The first time; twice as long after every further one; absent: the mesh's, else 10s."),
  maxEjection: duration.optional().describe("The longest; absent: the mesh's, else 5m."),
  maxEjectionPercent: z
    .int({ error: PERCENT })
    .min(0, PERCENT)
    .max(100, PERCENT)
    .optional()
    .describe("Never more of the endpoints at once; one always stays. Absent: the mesh's, else 50."),
};

export const ejection = z.strictObject(ejectionFields).superRefine(longestEjection);

interface Ejections {
  readonly baseEjection?: unknown;
  readonly maxEjection?: unknown;
}

export function longestEjection({ baseEjection, maxEjection }: Ejections, context: z.core.$RefinementCtx): void {
  // A value that is no duration was reported, and is still text.
  if (typeof baseEjection !== "number" || typeof maxEjection !== "number" || maxEjection >= baseEjection) return;
  context.addIssue({ code: "custom", path: ["maxEjection"], message: "a duration not shorter than baseEjection" });
}
