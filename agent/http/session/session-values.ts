/** Where a session's token travels: in the requests' cookies or a header of theirs, and back in the answer. */
import type { HeaderField, RouteSession } from "../../../protocol/route-table.ts";
import type { RequestHeaders } from "../../../routing/http/request-facts.ts";

/** Cookies of one name that are looked at: paths and domains may each have brought one, an attacker any number. */
const MAX_COOKIES = 4;
const MS_PER_SECOND = 1_000;

/** What a request brings where the token is expected. */
export function sessionValues(session: RouteSession, headers: RequestHeaders): readonly string[] {
  if (session.type === "header") return listOf(headers.get(session.name)).slice(0, 1);
  const cookies = listOf(headers.get("cookie"));
  return cookies.flatMap((line) => cookiesNamed(session.name, line)).slice(0, MAX_COOKIES);
}

/**
 * The field that gives a client its token. A cookie is for no script and no other site (GEP-1619, "Secure, HttpOnly,
 * SameSite"); not `Secure`, because inside a mesh applications speak HTTP.
 */
export function sessionField(session: RouteSession, token: string): HeaderField {
  if (session.type === "header") return [session.name, token];
  const { name, path, permanent, timeoutMs } = session;
  const lifetime =
    permanent && timeoutMs !== undefined ? `; Max-Age=${Math.max(1, Math.round(timeoutMs / MS_PER_SECOND))}` : "";
  return ["Set-Cookie", `${name}=${token}; Path=${path}${lifetime}; HttpOnly; SameSite=Strict`];
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : value;
}

/** RFC 6265 section 5.4: pairs with semicolons between. */
function cookiesNamed(name: string, line: string): string[] {
  const values: string[] = [];
  for (const pair of line.split(";")) {
    const equals = pair.indexOf("=");
    if (equals !== -1 && pair.slice(0, equals).trim() === name) values.push(pair.slice(equals + 1).trim());
  }
  return values;
}
