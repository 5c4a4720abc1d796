/** Session persistence of a rule (GEP-1619): requests of one session go to one endpoint. */
import { z } from "zod";
import { positiveDuration } from "../scalar-schemas.ts";
import { headerName } from "./match-schemas.ts";

const COOKIE_PATH = "a cookie path that begins with /, of printable ASCII characters without ;";

export const cookiePath = z
  .string({ error: COOKIE_PATH })
  .regex(/^\/[!-:<-~]*$/, COOKIE_PATH)
  .max(1024, COOKIE_PATH);

export const sessionPersistence = z
  .strictObject({
    absoluteTimeout: positiveDuration.optional(),
    type: z.enum(["Cookie", "Header"]).default("Cookie"),
    cookie: z
      .strictObject({
        /** Made up of the route's name and the rule when absent. */
        name: headerName.optional(),
        path: cookiePath.default("/"),
        lifetimeType: z.enum(["Permanent", "Session"]).default("Session"),
      })
      .optional(),
    header: z.strictObject({ name: headerName }).optional(),
  })
  .superRefine(({ type, cookie, header, absoluteTimeout }, context) => {
    const wrong = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
    if (type === "Cookie" && cookie === undefined) wrong("cookie", "the cookie for type Cookie");
    if (type === "Cookie" && header !== undefined) wrong("header", "no such key for type Cookie");
    if (type === "Header" && header === undefined) wrong("header", "the header for type Header");
    if (type === "Header" && cookie !== undefined) wrong("cookie", "no such key for type Header");
    if (cookie?.lifetimeType === "Permanent" && absoluteTimeout === undefined) {
      wrong("absoluteTimeout", "the lifetime of a Permanent cookie");
    }
  });
