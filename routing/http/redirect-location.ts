/**
 * The header Location of a redirect: the request's URL with the parts that the filter names replaced. Of the port, the
 * filter's text says (HTTPRequestRedirectFilter.port): without one, it is the well-known port of a scheme that the filter
 * names, else the port that was dialled; a port that goes without saying is left out.
 */
import type { RouteMatch, RouteRedirect } from "../../protocol/route-table.ts";
import { changePath } from "./change-path.ts";
import type { RequestFacts } from "./request-facts.ts";

const WELL_KNOWN_PORTS = { http: 80, https: 443 } as const;

export function redirectLocation(
  redirect: RouteRedirect,
  match: RouteMatch,
  facts: RequestFacts,
  path: string,
  query: string,
): string {
  const scheme = redirect.scheme ?? facts.scheme;
  const hostname = redirect.hostname ?? hostnameOf(facts);
  const port = redirect.port ?? (redirect.scheme === undefined ? facts.port : WELL_KNOWN_PORTS[redirect.scheme]);
  const authority = port === WELL_KNOWN_PORTS[scheme] ? hostname : `${hostname}:${port}`;
  const target = redirect.path === undefined ? facts.target : changePath(redirect.path, match, path, query);
  return `${scheme}://${authority}${target.startsWith("/") ? target : "/"}`;
}

/** Without a port. An HTTP/1.0 client may name no host: it is then sent to the Service that it dialled. */
function hostnameOf({ authority, service }: RequestFacts): string {
  const hostname = authority.replace(/:[0-9]*$/, "");
  if (hostname !== "" && (!authority.startsWith("[") || hostname.endsWith("]"))) return hostname;
  if (authority.startsWith("[")) return authority;
  const [namespace = "", name = ""] = service.split("/");
  return `${name}.${namespace}`;
}
