/**
 * The second word of a request line, in its four forms (RFC 9112 section 3.2):
 *
 *   /path?query            what clients send to servers
 *   http://host/path       what clients send to proxies: its host counts, not the field (section 3.2.2)
 *   host:port              CONNECT only
 *   *                      OPTIONS only
 *
 * Characters are what a URI has and, as clients do send them, the other visible ASCII ones; but no fragment: what a server
 * takes for the path would be a guess.
 */
import { H1Error } from "./h1-error.ts";

export interface RequestTarget {
  /** Path and query, or `*`; for CONNECT empty. */
  readonly path: string;
  /** From the absolute or the authority form. */
  readonly authority: string | undefined;
}

/** Scheme, authority, and the rest. */
const ABSOLUTE = /^http:\/\/([^/?]*)(.*)$/i;
/** `uri-host [":" port]` (RFC 3986 section 3.2), IP literals in brackets. No user information, no list. */
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+;=%]+)(?::[0-9]{0,5})?$/;

export function readTarget(method: string, text: string): RequestTarget {
  if (text.includes("#")) throw new H1Error("bad-target", "A request target has no fragment");
  if (method === "CONNECT") {
    if (!isAuthority(text) || !text.includes(":")) throw new H1Error("bad-target", "CONNECT wants host:port");
    return { path: "", authority: text };
  }
  if (text.startsWith("/")) return { path: text, authority: undefined };
  if (text === "*") {
    if (method !== "OPTIONS") throw new H1Error("bad-target", "Only OPTIONS can be about *");
    return { path: text, authority: undefined };
  }
  return absoluteTarget(method, text);
}

/** What may be in `Host`, but for an empty one. */
export function isAuthority(text: string): boolean {
  return AUTHORITY.test(text);
}

function absoluteTarget(method: string, text: string): RequestTarget {
  const match = ABSOLUTE.exec(text);
  if (match === null) throw new H1Error("bad-target", "A request target begins with / or with http://");
  const [, authority = "", rest = ""] = match;
  if (!isAuthority(authority)) throw new H1Error("bad-target", "The host in the request target is none");
  if (rest === "") return { path: method === "OPTIONS" ? "*" : "/", authority };
  return { path: rest.startsWith("/") ? rest : `/${rest}`, authority };
}
