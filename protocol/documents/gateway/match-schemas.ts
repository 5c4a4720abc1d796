/** What rules of routes match: paths, headers, query parameters and methods; and the scalars filters share with them. */
import { z } from "zod";
import { expressionFault } from "./regular-expression.ts";

const HEADER_NAME = "a name of letters, digits and !#$%&'*+-.^_`|~ with at most 256 characters";

/** Of headers, query parameters and cookies alike. */
export const headerName = z
  .string({ error: HEADER_NAME })
  .regex(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, HEADER_NAME)
  .max(256, HEADER_NAME);

const HEADER_VALUE = "printable ASCII text with at most 4096 characters, without leading, trailing or double spaces";

/** Nothing that could end a line: a value is sent as it is written. */
export const headerValue = z
  .string({ error: HEADER_VALUE })
  .regex(/^[!-~]+([\t ]?[!-~]+)*$/, HEADER_VALUE)
  .max(4096, HEADER_VALUE);

const HOSTNAME = "a host name of a-z, 0-9, - and . with at most 253 characters, no address and no port";

/** RFC 1123, without a wildcard. */
export const preciseHostname = z
  .string({ error: HOSTNAME })
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, HOSTNAME)
  .max(253, HOSTNAME)
  .refine((name) => !/^[0-9.]+$/.test(name), HOSTNAME);

const WILDCARD_HOSTNAME = "a host name, or *. and a host name";

export const hostnames = z
  .array(
    z
      .string({ error: WILDCARD_HOSTNAME })
      .regex(/^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, WILDCARD_HOSTNAME)
      .max(253, WILDCARD_HOSTNAME),
  )
  .max(16, "at most 16 host names");

const PATH_CHARACTERS = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/;

/** In the order in which they are tried: the first that fails is said. */
const PATH_RULES: readonly (readonly [ok: (path: string) => boolean, expected: string])[] = [
  [(path) => path.startsWith("/"), "a path that begins with /"],
  [(path) => !path.includes("//"), "a path without //"],
  [(path) => !/\/\.\.?(\/|$)/.test(path), "a path without the segments . and .."],
  [(path) => !/%2f/i.test(path), "a path without %2F"],
  [(path) => !path.includes("#"), "a path without #"],
  [(path) => PATH_CHARACTERS.test(path), "a path of the characters that a URL's path may have, others as %XX"],
];

const MATCH_TYPE = z.enum(["Exact", "RegularExpression"]);

const pathMatch = z
  .strictObject({
    type: z.enum(["Exact", "PathPrefix", "RegularExpression"]).default("PathPrefix"),
    value: z.string().max(1024, "a path with at most 1024 characters").default("/"),
  })
  .superRefine(({ type, value }, context) => {
    const broken = type === "RegularExpression" ? expressionFault(value) : PATH_RULES.find(([ok]) => !ok(value))?.[1];
    if (broken !== undefined) context.addIssue({ code: "custom", path: ["value"], message: broken });
  });

export const headerMatches = z
  .array(
    z.strictObject({ type: MATCH_TYPE.default("Exact"), name: headerName, value: headerValue }).superRefine(checkValue),
  )
  .max(16, "at most 16 headers")
  .superRefine(uniqueNames("headers"));

const QUERY_VALUE = "a value with 1 to 1024 characters";

const queryMatches = z
  .array(
    z
      .strictObject({
        type: MATCH_TYPE.default("Exact"),
        name: headerName,
        value: z.string({ error: QUERY_VALUE }).min(1, QUERY_VALUE).max(1024, QUERY_VALUE),
      })
      .superRefine(checkValue),
  )
  .max(16, "at most 16 query parameters")
  .superRefine(uniqueNames("query parameters"));

export const HTTP_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] as const;

const httpMatch = z.strictObject({
  path: pathMatch.default({ type: "PathPrefix", value: "/" }),
  headers: headerMatches.default([]),
  queryParams: queryMatches.default([]),
  method: z.enum(HTTP_METHODS).optional(),
});

export const httpMatches = z.array(httpMatch).max(64, "at most 64 matches in a rule");

function checkValue(
  { type, value }: { readonly type: "Exact" | "RegularExpression"; readonly value: string },
  context: z.core.$RefinementCtx,
): void {
  const fault = type === "Exact" ? undefined : expressionFault(value);
  if (fault !== undefined) context.addIssue({ code: "custom", path: ["value"], message: fault });
}

/** Lists that the API server keeps as maps: the same spelling twice is refused, another spelling of it ignored. */
function uniqueNames(what: string) {
  return (entries: readonly { readonly name: string }[], context: z.core.$RefinementCtx) => {
    const seen = new Set<string>();
    for (const [index, { name }] of entries.entries()) {
      if (seen.has(name)) {
        context.addIssue({
          code: "custom",
          path: [index, "name"],
          message: `a name that none of the other ${what} has`,
        });
      }
      seen.add(name);
    }
  };
}
