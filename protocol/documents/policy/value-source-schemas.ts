/** Where a value that tells requests apart comes from: for hashing, for limits by value and for shares of users. */
import { z } from "zod";
import type { ValueSource } from "../../route-table.ts";
import { headerName } from "../gateway/match-schemas.ts";
import { cookiePath } from "../gateway/session-persistence-schema.ts";
import { durationBetween } from "../scalar-schemas.ts";

const ONE_OF_THREE = "one of header, query and cookie";
const SOURCES = "source, identity, { header: name }, { query: name } or { cookie: { name: name } }";

const fields = {
  header: headerName.optional().describe("Name of a header. One of these three."),
  query: headerName.optional().describe("Name of a query parameter. One of these three."),
};

/** The value of a header, a query parameter or a cookie, which is made when a client has none. */
export const hashSource = z
  .strictObject({
    ...fields,
    cookie: z
      .strictObject({
        name: headerName.describe("Name of the cookie."),
        path: cookiePath.default("/").describe("Path of the cookie that a client without one is given."),
        ttl: durationBetween("1s", "8760h")
          .optional()
          .describe("Lifetime of that cookie; absent: the client's session."),
      })
      .optional()
      .describe("A cookie; a client without it is given one."),
  })
  .superRefine(onlyOne)
  .transform(toSource);

/** As above, but no cookie is made; or who asks. */
export const valueSource = z
  .union(
    [
      z.enum(["source", "identity"]),
      z
        .strictObject({
          ...fields,
          cookie: z
            .strictObject({ name: headerName.describe("Name of the cookie.") })
            .optional()
            .describe("A cookie."),
        })
        .superRefine(onlyOne),
    ],
    { error: SOURCES },
  )
  .transform((by): ValueSource => (typeof by === "string" ? { from: by } : toSource(by)));

interface Written {
  readonly header?: string | undefined;
  readonly query?: string | undefined;
  readonly cookie?:
    | { readonly name: string; readonly path?: string | undefined; readonly ttl?: number | undefined }
    | undefined;
}

function onlyOne({ header, query, cookie }: Written, context: z.core.$RefinementCtx): void {
  if ([header, query, cookie].filter((each) => each !== undefined).length === 1) return;
  context.addIssue({ code: "custom", path: [], message: ONE_OF_THREE });
}

function toSource({ header, query, cookie }: Written): ValueSource {
  if (header !== undefined) return { from: "header", name: header.toLowerCase() };
  if (query !== undefined) return { from: "query", name: query };
  const { name = "", path, ttl } = cookie ?? {};
  return {
    from: "cookie",
    name,
    ...(path === undefined ? {} : { path }),
    ...(ttl === undefined ? {} : { ttlMs: ttl }),
  };
}
