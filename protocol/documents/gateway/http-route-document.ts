/**
 * `HTTPRoute` of the Gateway API (gateway.networking.k8s.io/v1): how requests to a Service are routed. Written in own
 * words after the upstream types and their validation rules; what concerns Gateways only is read and not used.
 */
import { z } from "zod";
import { duration } from "../scalar-schemas.ts";
import { httpFilters, type HttpFilter } from "./filter-schemas.ts";
import { hostnames, httpMatches } from "./match-schemas.ts";
import { backendRefs, parentRefs, sectionName } from "./reference-schemas.ts";
import { checkRules, MAX_RULES, routeMetadata } from "./route-schemas.ts";
import { sessionPersistence } from "./session-persistence-schema.ts";

const STATUS = "a status code from 400 to 599";
const ATTEMPTS = "a number of retries from 1 to 100";

/** "0s" switches a timeout off. */
const timeouts = z
  .strictObject({ request: duration.optional(), backendRequest: duration.optional() })
  .superRefine(({ request, backendRequest }, context) => {
    if (request === undefined || backendRequest === undefined || request === 0 || backendRequest <= request) return;
    context.addIssue({ code: "custom", path: ["backendRequest"], message: "a duration not longer than request" });
  });

/** GEP-1731. */
const retry = z.strictObject({
  codes: z.array(z.int({ error: STATUS }).min(400, STATUS).max(599, STATUS)).optional(),
  attempts: z.int({ error: ATTEMPTS }).min(1, ATTEMPTS).max(100, ATTEMPTS).optional(),
  backoff: duration.optional(),
});

const httpRule = z
  .strictObject({
    name: sectionName.optional(),
    matches: httpMatches.default([{ path: { type: "PathPrefix", value: "/" }, headers: [], queryParams: [] }]),
    filters: httpFilters.default([]),
    backendRefs: backendRefs(httpFilters).default([]),
    timeouts: timeouts.optional(),
    retry: retry.optional(),
    sessionPersistence: sessionPersistence.optional(),
  })
  .superRefine((rule, context) => {
    const wrong = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
    const prefix = rule.matches.length === 1 && rule.matches[0]?.path.type === "PathPrefix";
    const judge = (filters: readonly HttpFilter[], at: (string | number)[]) => {
      for (const [index, filter] of filters.entries()) {
        const key = filter.requestRedirect === undefined ? "urlRewrite" : "requestRedirect";
        if (filter[key]?.path?.type !== "ReplacePrefixMatch" || prefix) continue;
        wrong([...at, index, key, "path", "type"], "exactly one match, of type PathPrefix, for ReplacePrefixMatch");
      }
    };
    judge(rule.filters, ["filters"]);
    for (const [index, { filters }] of rule.backendRefs.entries())
      judge(filters ?? [], ["backendRefs", index, "filters"]);
    if (rule.backendRefs.length > 0 && rule.filters.some(({ type }) => type === "RequestRedirect")) {
      wrong(["backendRefs"], "no backends in a rule that redirects");
    }
  });

const EVERYTHING: z.output<typeof httpRule> = {
  matches: [{ path: { type: "PathPrefix", value: "/" }, headers: [], queryParams: [] }],
  filters: [],
  backendRefs: [],
};

export const httpRouteDocumentSchema = z.strictObject({
  apiVersion: z.literal("gateway.networking.k8s.io/v1"),
  kind: z.literal("HTTPRoute"),
  metadata: routeMetadata,
  spec: z.strictObject({
    parentRefs: parentRefs.default([]),
    /** Of Gateways: on a Service they have no effect (GEP-1294), a match of the header Host has. */
    hostnames: hostnames.default([]),
    /** Of Gateways. */
    useDefaultGateways: z.enum(["All", "None"]).optional(),
    rules: z
      .array(httpRule)
      .min(1, "at least one rule")
      .max(MAX_RULES, `at most ${MAX_RULES} rules`)
      .superRefine(checkRules)
      .default([EVERYTHING]),
  }),
});
