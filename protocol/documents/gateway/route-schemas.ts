/** What HTTPRoute and GRPCRoute have in common around their rules. */
import { z } from "zod";
import { namespacedMetadata } from "../metadata-schema.ts";
import { time } from "../scalar-schemas.ts";

export const routeMetadata = namespacedMetadata.extend({
  /** The older of two routes wins a tie. Absent: older than any. */
  creationTimestamp: time.optional(),
  /** What a status says it has seen. */
  generation: z.int().min(0).optional(),
});

export const MAX_RULES = 16;
const MAX_MATCHES = 128;

interface Rule {
  readonly name?: string | undefined;
  readonly matches?: readonly unknown[] | undefined;
}

export function checkRules(rules: readonly Rule[], context: z.core.$RefinementCtx): void {
  const names = new Set<string>();
  let matches = 0;
  for (const [index, rule] of rules.entries()) {
    matches += rule.matches?.length ?? 0;
    if (matches > MAX_MATCHES) {
      const message = `at most ${MAX_MATCHES} matches in all rules together`;
      context.addIssue({ code: "custom", path: [index, "matches"], message });
      return;
    }
    if (rule.name === undefined) continue;
    if (names.has(rule.name)) {
      context.addIssue({
        code: "custom",
        path: [index, "name"],
        message: "a name that no other rule of the route has",
      });
    }
    names.add(rule.name);
  }
}
