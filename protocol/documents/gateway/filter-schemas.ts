/**
 * Filters of rules and backends: what happens to a request and its response on the way. The checks are those of the
 * upstream custom resource definitions, and a few more where a value would otherwise end up in a header or a request
 * line as it is written (CR, LF, framing).
 */
import { z } from "zod";
import { portNumber } from "../scalar-schemas.ts";
import { headerName, headerValue, HTTP_METHODS, preciseHostname } from "./match-schemas.ts";
import { apiGroup, apiKind, backendObject, objectName } from "./reference-schemas.ts";

const header = z.strictObject({ name: headerName, value: headerValue });

/** These say where a message ends and who it is for: changing them is how requests are smuggled (RFC 9112 section 11.2). */
export const UNTOUCHABLE_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

export const UNTOUCHABLE = "a header that does not say where a message ends or how it is connected";

const headerList = z.array(header).max(16, "at most 16 headers").default([]);

const headerModifier = z
  .strictObject({
    set: headerList,
    add: headerList,
    remove: z.array(headerName).max(16, "at most 16 headers").default([]),
  })
  .superRefine(({ set, add, remove }, context) => {
    const actionOf = new Map<string, string>();
    const judge = (action: string, name: string, path: (string | number)[]) => {
      const key = name.toLowerCase();
      const wrong = (message: string) => context.addIssue({ code: "custom", path, message });
      if (key === "host") wrong("another header than Host, which the filter URLRewrite changes");
      else if (UNTOUCHABLE_HEADERS.has(key)) wrong(UNTOUCHABLE);
      const earlier = actionOf.get(key);
      if (earlier !== undefined && earlier !== action) wrong(`one action per header, ${name} is already in ${earlier}`);
      actionOf.set(key, earlier ?? action);
    };
    for (const [index, { name }] of set.entries()) judge("set", name, ["set", index, "name"]);
    for (const [index, { name }] of add.entries()) judge("add", name, ["add", index, "name"]);
    for (const [index, name] of remove.entries()) judge("remove", name, ["remove", index]);
  });

const PATH = "a path of the characters that a URL's path may have, others as %XX, with at most 1024 characters";
const FULL_PATH =
  /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*(\?(?:[-A-Za-z0-9/._~!$&'()*+,;=:@?]|%[0-9a-fA-F]{2})*)?$/;
const PREFIX = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$/;

const pathModifier = z
  .strictObject({
    type: z.enum(["ReplaceFullPath", "ReplacePrefixMatch"]),
    replaceFullPath: z.string({ error: PATH }).regex(FULL_PATH, PATH).max(1024, PATH).optional(),
    replacePrefixMatch: z.string({ error: PATH }).regex(PREFIX, PATH).max(1024, PATH).optional(),
  })
  .superRefine(({ type, replaceFullPath, replacePrefixMatch }, context) => {
    const wrong = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
    const full = type === "ReplaceFullPath";
    if (full && replaceFullPath === undefined) wrong("replaceFullPath", "the path for type ReplaceFullPath");
    if (!full && replacePrefixMatch === undefined) wrong("replacePrefixMatch", "the path for type ReplacePrefixMatch");
    if (full && replacePrefixMatch !== undefined) wrong("replacePrefixMatch", "no such key for type ReplaceFullPath");
    if (!full && replaceFullPath !== undefined) wrong("replaceFullPath", "no such key for type ReplacePrefixMatch");
  });

const requestRedirect = z.strictObject({
  scheme: z.enum(["http", "https"]).optional(),
  hostname: preciseHostname.optional(),
  path: pathModifier.optional(),
  port: portNumber.optional(),
  statusCode: z
    .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)], {
      error: "301, 302, 303, 307 or 308",
    })
    .default(302),
});

const urlRewrite = z.strictObject({ hostname: preciseHostname.optional(), path: pathModifier.optional() });

const PERCENT = "a percentage from 0 to 100";
const COUNT = "a whole number up to 2147483647";
const MAX_INT32 = 2_147_483_647;

const fraction = z
  .strictObject({
    numerator: z.int({ error: COUNT }).min(0, COUNT).max(MAX_INT32, COUNT),
    denominator: z.int({ error: COUNT }).min(1, COUNT).max(MAX_INT32, COUNT).default(100),
  })
  .superRefine(({ numerator, denominator }, context) => {
    if (numerator <= denominator) return;
    context.addIssue({ code: "custom", path: ["numerator"], message: `at most the denominator ${denominator}` });
  });

const requestMirror = z
  .strictObject({
    backendRef: backendObject,
    percent: z.int({ error: PERCENT }).min(0, PERCENT).max(100, PERCENT).optional(),
    fraction: fraction.optional(),
  })
  .superRefine((mirror, context) => {
    if (mirror.percent === undefined || mirror.fraction === undefined) return;
    context.addIssue({ code: "custom", path: ["fraction"], message: "percent or fraction, not both" });
  });

const ORIGIN = "an origin such as https://shop.example or https://*.example, or *";
const ORIGIN_PATTERN = /(^\*$)|(^(http(s)?):\/\/(((\*\.)?([a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(:([0-9]{1,5}))?)$)/;

const cors = z.strictObject({
  allowOrigins: wildcardAlone(
    z.array(z.string({ error: ORIGIN }).regex(ORIGIN_PATTERN, ORIGIN).max(253, ORIGIN)).max(64, "at most 64 origins"),
  ),
  allowCredentials: z.boolean().default(false),
  allowMethods: wildcardAlone(z.array(z.enum([...HTTP_METHODS, "*"])).max(9, "at most 9 methods")),
  allowHeaders: wildcardAlone(z.array(headerName).max(64, "at most 64 headers")),
  exposeHeaders: z.array(headerName).max(64, "at most 64 headers").default([]),
  maxAge: z.int({ error: COUNT }).min(1, "a number of seconds, at least 1").max(MAX_INT32, COUNT).default(5),
});

function wildcardAlone<T extends string>(list: z.ZodArray<z.ZodType<T, T>>) {
  return list
    .superRefine((values: readonly string[], context) => {
      const index = values.indexOf("*");
      if (index === -1 || values.length === 1) return;
      context.addIssue({ code: "custom", path: [index], message: "* alone, or no *" });
    })
    .default([]);
}

const extensionRef = z.strictObject({ group: apiGroup, kind: apiKind, name: objectName });

/** Of every type of filter, the key that holds what it does. */
const FILTER_KEYS = {
  RequestHeaderModifier: "requestHeaderModifier",
  ResponseHeaderModifier: "responseHeaderModifier",
  RequestMirror: "requestMirror",
  ExtensionRef: "extensionRef",
  RequestRedirect: "requestRedirect",
  URLRewrite: "urlRewrite",
  CORS: "cors",
} as const;

type FilterType = keyof typeof FILTER_KEYS;

const grpcFilter = z
  .strictObject({
    type: z.enum(["RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef"]),
    requestHeaderModifier: headerModifier.optional(),
    responseHeaderModifier: headerModifier.optional(),
    requestMirror: requestMirror.optional(),
    extensionRef: extensionRef.optional(),
  })
  .superRefine(keyOfType);

const httpFilter = z
  .strictObject({
    type: z.enum(Object.keys(FILTER_KEYS) as [FilterType, ...FilterType[]]),
    requestHeaderModifier: headerModifier.optional(),
    responseHeaderModifier: headerModifier.optional(),
    requestMirror: requestMirror.optional(),
    requestRedirect: requestRedirect.optional(),
    urlRewrite: urlRewrite.optional(),
    cors: cors.optional(),
    extensionRef: extensionRef.optional(),
  })
  .superRefine(keyOfType);

export const grpcFilters = z.array(grpcFilter).max(16, "at most 16 filters").superRefine(compatible);
export const httpFilters = z.array(httpFilter).max(16, "at most 16 filters").superRefine(compatible);

export type HttpFilter = z.output<typeof httpFilter>;

function keyOfType(filter: { readonly type: FilterType }, context: z.core.$RefinementCtx): void {
  const wanted = FILTER_KEYS[filter.type];
  for (const key of Object.values(FILTER_KEYS)) {
    const present = filter[key as keyof typeof filter] !== undefined;
    const wrong = (message: string) => context.addIssue({ code: "custom", path: [key], message });
    if (present && key !== wanted) wrong(`no such key for type ${filter.type}`);
    if (!present && key === wanted) wrong(`what the filter of type ${filter.type} does`);
  }
}

/** These make sense several times in one list. */
const REPEATABLE: ReadonlySet<FilterType> = new Set<FilterType>(["RequestMirror", "ExtensionRef"]);

function compatible(filters: readonly { readonly type: FilterType }[], context: z.core.$RefinementCtx): void {
  const seen = new Set<FilterType>();
  for (const [index, { type }] of filters.entries()) {
    const wrong = (message: string) => context.addIssue({ code: "custom", path: [index, "type"], message });
    if (seen.has(type) && !REPEATABLE.has(type)) wrong(`at most one filter of type ${type}`);
    seen.add(type);
    if (type === "URLRewrite" && seen.has("RequestRedirect")) wrong("URLRewrite or RequestRedirect, not both");
    if (type === "RequestRedirect" && seen.has("URLRewrite")) wrong("RequestRedirect or URLRewrite, not both");
  }
}
