/**
 * `TrafficPolicy`: how connections and requests to a Service of the same namespace are spread and protected, or those
 * under a route or one rule of it. Texts of `describe` are what docs/traffic-policy.md says of each field.
 */
import { z } from "zod";
import { retries, timeouts } from "./http-policy-schemas.ts";
import { namespacedMetadata } from "./metadata-schema.ts";
import { collapse, fallback, hedging } from "./policy/answer-schemas.ts";
import { serviceEjection, serviceLoadBalancer, spillOver } from "./policy/endpoint-choice-schemas.ts";
import { faults } from "./policy/fault-schemas.ts";
import { circuitBreaker, concurrency, quota, rateLimits, sizes } from "./policy/protection-schemas.ts";
import { locality } from "./policy-schemas.ts";
import { policyTarget } from "./policy-target-schema.ts";

/** Of endpoints: a matter of a Service, whoever calls it and by which route. */
export const SERVICE_PARTS = {
  protocol: z
    .enum(["http", "http2", "grpc", "tcp"])
    .describe(
      "What clients of the Service speak, whatever its ports say; absent: what these say, else it is found out.",
    ),
  locality: locality.describe(
    "Which endpoints are preferred; absent: the Service's trafficDistribution, else the mesh's.",
  ),
  spillOver: spillOver.describe(
    "With locality prefer-local or prefer-zone: when others help out; absent: when none of the near ones can.",
  ),
  loadBalancer: serviceLoadBalancer.describe("Which of these endpoints takes what."),
  ejection: serviceEjection.describe("Endpoints that fail are left out for a while."),
} as const;

/** Of requests. A Service that has one of these, and no route, is handled request by request all the same. */
export const REQUEST_PARTS = {
  timeouts: timeouts.describe(
    "How long a request may take; each is taken by itself from the first policy that has it.",
  ),
  retries: retries.describe("Whether a request is sent again; each field is taken from the first policy that has it."),
  sizes: sizes.describe("Largest requests and answers."),
  concurrency: concurrency.describe("How many requests are under way at once, and how many wait."),
  circuitBreaker: circuitBreaker.describe("While too many requests fail, none is sent."),
  rateLimits: rateLimits.describe("How many requests there may be, for each agent. All entries hold."),
  quota: quota.describe("How many requests there may be in the whole mesh."),
  faults: faults.describe("What is done to some requests on purpose. All entries that are for a request hold."),
  fallback: fallback.describe("What comes instead of an error."),
  hedging: hedging.describe("A further try beside the first one that takes long; the first answer wins."),
  collapse: collapse.describe("Identical GETs that are under way at the same time are sent once."),
} as const;

export type RequestPartName = keyof typeof REQUEST_PARTS;

const SERVICE_PART_NAMES = Object.keys(SERVICE_PARTS) as (keyof typeof SERVICE_PARTS)[];
export const REQUEST_PART_NAMES = Object.keys(REQUEST_PARTS) as RequestPartName[];

export const trafficPolicyDocumentSchema = z.strictObject({
  apiVersion: z.literal("hawser.dev/v1"),
  kind: z.literal("TrafficPolicy"),
  metadata: namespacedMetadata,
  spec: z
    .strictObject({
      targetRef: policyTarget.describe("What the policy is for, in its own namespace."),
      ...optional(SERVICE_PARTS),
      ...optional(REQUEST_PARTS),
    })
    .superRefine(partsFitTarget, {
      // Also when a part is wrong: everything is said at once.
      when: ({ value }) => typeof value === "object" && value !== null,
    }),
});

type Optional<T extends Readonly<Record<string, z.ZodType>>> = { [K in keyof T]: z.ZodOptional<T[K]> };

function optional<T extends Readonly<Record<string, z.ZodType>>>(parts: T): Optional<T> {
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part.optional()])) as Optional<T>;
}

interface WrittenParts extends Partial<Readonly<Record<string, unknown>>> {
  readonly targetRef?: { readonly kind?: string };
}

function partsFitTarget(spec: WrittenParts, context: z.core.$RefinementCtx): void {
  const wrong = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
  const kind = spec.targetRef?.kind;
  if (kind === "HTTPRoute" || kind === "GRPCRoute") {
    for (const key of SERVICE_PART_NAMES) {
      if (spec[key] !== undefined) wrong(key, `no ${key} for a route, it is a matter of the Service`);
    }
  }
  if (spec["protocol"] !== "tcp") return;
  for (const key of REQUEST_PART_NAMES) {
    if (spec[key] !== undefined) wrong(key, `no ${key} beside protocol tcp, with which nobody looks for requests`);
  }
}
