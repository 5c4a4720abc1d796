/** `GRPCRoute` of the Gateway API (gateway.networking.k8s.io/v1): how gRPC calls to a Service are routed. */
import { z } from "zod";
import { grpcFilters } from "./filter-schemas.ts";
import { headerMatches, hostnames } from "./match-schemas.ts";
import { expressionFault } from "./regular-expression.ts";
import { backendRefs, parentRefs, sectionName } from "./reference-schemas.ts";
import { checkRules, MAX_RULES, routeMetadata } from "./route-schemas.ts";
import { sessionPersistence } from "./session-persistence-schema.ts";

const SERVICE = "the full name of a gRPC service, such as shop.v1.Catalog";
const METHOD = "the name of a gRPC method, such as GetItem";
const LENGTH = "at most 1024 characters";

const methodMatch = z
  .strictObject({
    type: z.enum(["Exact", "RegularExpression"]).default("Exact"),
    /** Absent: any. */
    service: z.string().max(1024, LENGTH).optional(),
    method: z.string().max(1024, LENGTH).optional(),
  })
  .superRefine(({ type, service = "", method = "" }, context) => {
    const wrong = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
    if (service === "" && method === "") wrong("service", "a service, a method, or both");
    if (type !== "Exact") {
      for (const [key, pattern] of Object.entries({ service, method })) {
        const fault = expressionFault(pattern);
        if (fault !== undefined) wrong(key, fault);
      }
      return;
    }
    if (service !== "" && !/^\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$/i.test(service)) wrong("service", SERVICE);
    if (method !== "" && !/^[A-Za-z_][A-Za-z_0-9]*$/.test(method)) wrong("method", METHOD);
  });

const grpcMatch = z.strictObject({ method: methodMatch.optional(), headers: headerMatches.default([]) });

const grpcRule = z.strictObject({
  name: sectionName.optional(),
  /** None: every call. */
  matches: z.array(grpcMatch).max(64, "at most 64 matches in a rule").default([]),
  filters: grpcFilters.default([]),
  backendRefs: backendRefs(grpcFilters).default([]),
  sessionPersistence: sessionPersistence.optional(),
});

export const grpcRouteDocumentSchema = z.strictObject({
  apiVersion: z.literal("gateway.networking.k8s.io/v1"),
  kind: z.literal("GRPCRoute"),
  metadata: routeMetadata,
  spec: z.strictObject({
    parentRefs: parentRefs.default([]),
    /** Of Gateways: on a Service they have no effect (GEP-1294). */
    hostnames: hostnames.default([]),
    /** Of Gateways. */
    useDefaultGateways: z.enum(["All", "None"]).optional(),
    rules: z.array(grpcRule).max(MAX_RULES, `at most ${MAX_RULES} rules`).superRefine(checkRules).default([]),
  }),
});
