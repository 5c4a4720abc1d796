/**
 * The one spelling of a path that routes are matched against, and that is sent on: RFC 3986 section 6.2.2, in which two
 * texts that mean the same path are the same. `%2F` stays what it is, data inside a segment, and `//` stays an empty
 * segment. A backslash is in no URI, and a slash to those who read URLs as browsers do (WHATWG): it is escaped. A router
 * and a backend that read a path differently are how requests get past rules.
 */

/** Without the query. The text itself when there is nothing to change, which is nearly always. */
export function normalizePath(path: string): string {
  if (path.indexOf("%") === -1 && path.indexOf("/.") === -1 && path.indexOf("\\") === -1) return path;
  // "*" and the authority of CONNECT are no paths.
  if (!path.startsWith("/")) return path;
  return removeDotSegments(path.replaceAll("\\", "%5C").replaceAll(/%[0-9a-fA-F]{2}/g, normalizeEscape));
}

/** Unreserved characters need no escape (section 2.3), and the others' hexadecimal digits are written large. */
function normalizeEscape(escape: string): string {
  const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
  return /[A-Za-z0-9._~-]/.test(character) ? character : escape.toUpperCase();
}

/** Section 5.2.4; what would lead above the root ends there. */
function removeDotSegments(path: string): string {
  const segments = path.split("/").slice(1);
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
  }
  const last = segments.at(-1);
  if (last === "." || last === "..") kept.push("");
  return `/${kept.join("/")}`;
}

/** A prefix as the matchers know it: a slash at its end says nothing (`/abc/` is `/abc`), and "" is every path. */
export function normalizePrefix(value: string): string {
  const path = normalizePath(value);
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

/** Whole segments: `/abc` is a prefix of `/abc` and `/abc/d`, not of `/abcd`. `prefix` is normalized. */
export function hasPrefix(path: string, prefix: string): boolean {
  if (prefix === "") return true;
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
}
