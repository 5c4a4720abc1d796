/** Filters of a route's document -> filters of the table. */
import type { HttpRouteDocument } from "../../protocol/documents/document.ts";
import type {
  HeaderChanges,
  HeaderField,
  PathChange,
  RouteCors,
  RouteFilters,
  RouteMirror,
  RouteRedirect,
  RouteRewrite,
  RouteTarget,
} from "../../protocol/route-table.ts";

/** What a GRPCRoute may have is a part of it. */
export type FilterDocument = HttpRouteDocument["spec"]["rules"][number]["filters"][number];
export type ExtensionDocument = NonNullable<FilterDocument["extensionRef"]>;
export type MirrorDocument = NonNullable<FilterDocument["requestMirror"]>;

/** `target`: the Service that is mirrored to; undefined when there is none, and then nothing is mirrored. */
export function compileFilters(
  documents: readonly FilterDocument[],
  target: (mirror: MirrorDocument) => RouteTarget | undefined,
): RouteFilters | undefined {
  const filters: Mutable<RouteFilters> = {};
  const mirrors: RouteMirror[] = [];
  for (const filter of documents) {
    if (filter.requestHeaderModifier !== undefined)
      filters.requestHeaders = headerChanges(filter.requestHeaderModifier);
    if (filter.responseHeaderModifier !== undefined)
      filters.responseHeaders = headerChanges(filter.responseHeaderModifier);
    if (filter.requestRedirect !== undefined) filters.redirect = redirect(filter.requestRedirect);
    if (filter.urlRewrite !== undefined) filters.rewrite = rewrite(filter.urlRewrite);
    if (filter.cors !== undefined) filters.cors = cors(filter.cors);
    if (filter.extensionRef !== undefined) filters.unknownExtension = extensionName(filter.extensionRef);
    if (filter.requestMirror !== undefined) mirrors.push(...mirror(filter.requestMirror, target(filter.requestMirror)));
  }
  if (mirrors.length > 0) filters.mirrors = mirrors;
  return Object.keys(filters).length === 0 ? undefined : filters;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function extensionName({ group, kind, name }: ExtensionDocument): string {
  return `${group}/${kind} ${name}`;
}

/** Of names that differ in case only, the first counts (HTTPHeader.name). */
function headerChanges({ set, add, remove }: NonNullable<FilterDocument["requestHeaderModifier"]>): HeaderChanges {
  const changes: Mutable<HeaderChanges> = {};
  if (set.length > 0) changes.set = fields(set);
  if (add.length > 0) changes.add = fields(add);
  if (remove.length > 0) changes.remove = [...new Set(remove.map((name) => name.toLowerCase()))];
  return changes;
}

function fields(headers: readonly { readonly name: string; readonly value: string }[]): readonly HeaderField[] {
  const first = new Map<string, string>();
  for (const { name, value } of headers) {
    const key = name.toLowerCase();
    if (!first.has(key)) first.set(key, value);
  }
  return [...first];
}

function redirect(document: NonNullable<FilterDocument["requestRedirect"]>): RouteRedirect {
  const { scheme, hostname, port, path, statusCode } = document;
  return {
    status: statusCode,
    ...(scheme === undefined ? {} : { scheme }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(port === undefined ? {} : { port }),
    ...(path === undefined ? {} : { path: pathChange(path) }),
  };
}

function rewrite({ hostname, path }: NonNullable<FilterDocument["urlRewrite"]>): RouteRewrite {
  return {
    ...(hostname === undefined ? {} : { hostname }),
    ...(path === undefined ? {} : { path: pathChange(path) }),
  };
}

type PathDocument = NonNullable<NonNullable<FilterDocument["urlRewrite"]>["path"]>;

function pathChange({ type, replaceFullPath, replacePrefixMatch }: PathDocument): PathChange {
  return type === "ReplaceFullPath"
    ? { type: "full", value: replaceFullPath ?? "" }
    : { type: "prefix", value: replacePrefixMatch ?? "" };
}

function cors({ maxAge, ...lists }: NonNullable<FilterDocument["cors"]>): RouteCors {
  return { ...lists, maxAgeSeconds: maxAge };
}

function mirror({ percent = 100, fraction }: MirrorDocument, target: RouteTarget | undefined): RouteMirror[] {
  if (target === undefined) return [];
  const { numerator, denominator } = fraction ?? { numerator: percent, denominator: 100 };
  return numerator === 0 ? [] : [{ ...target, numerator, denominator }];
}
