/** The path that a redirect or a rewrite makes of a request's. */
import type { PathChange, RouteMatch } from "../../protocol/route-table.ts";

/**
 * Path and query. The request's query is kept, unless the new path brings its own. `path` is normalized; `match` is what
 * the request was matched by: its prefix is what a change of type `prefix` replaces.
 */
export function changePath(change: PathChange, match: RouteMatch, path: string, query: string): string {
  // "*" is the server itself (RFC 9112 section 3.2.4), not a path.
  if (path === "*") return path;
  const changed =
    change.type === "full" ? withSlash(change.value) : replacePrefix(change.value, match.path.value, path);
  return query === "" || changed.includes("?") ? changed : `${changed}?${query}`;
}

function replacePrefix(replacement: string, prefix: string, path: string): string {
  const start = replacement.endsWith("/") ? replacement.slice(0, -1) : replacement;
  return withSlash(start + path.slice(prefix.length));
}

function withSlash(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}
