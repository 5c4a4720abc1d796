/** The value of a cookie: of the first one of that name (RFC 6265 section 5.4 puts the one with the longest path first). */

/** Undefined when there is none of that name. `line`: what the header Cookie says. */
export function cookieValue(line: string, name: string): string | undefined {
  // Looked for once, and again only behind the one that was found: a line without any would be read from every separator on.
  let equals = line.indexOf("=");
  for (let start = 0; start < line.length && equals !== -1; ) {
    const next = line.indexOf(";", start);
    const end = next === -1 ? line.length : next;
    if (equals < start) equals = line.indexOf("=", start);
    if (equals !== -1 && equals < end && line.slice(start, equals).trim() === name) {
      return line.slice(equals + 1, end).trim();
    }
    start = end + 1;
  }
  return undefined;
}
