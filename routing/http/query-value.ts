/**
 * The value of a query parameter: of the first one of that name, decoded as forms are (`%20` and `+` are a space). A
 * parameter without `=` has the value "". Little is allocated but the value itself.
 */

/** Undefined when there is none of that name. `query` is what follows the question mark. */
export function queryValue(query: string, name: string): string | undefined {
  // Looked for once, and again only behind the one that was found: a query without any would be read from every separator on.
  let equals = query.indexOf("=");
  for (let start = 0; start <= query.length; ) {
    const next = query.indexOf("&", start);
    const end = next === -1 ? query.length : next;
    if (equals !== -1 && equals < start) equals = query.indexOf("=", start);
    const nameEnd = equals === -1 || equals > end ? end : equals;
    if (isName(query, start, nameEnd, name)) return decode(query.slice(Math.min(nameEnd + 1, end), end));
    start = end + 1;
  }
  return undefined;
}

function isName(query: string, start: number, end: number, name: string): boolean {
  // An escaped name is not shorter than what it means.
  if (end - start < name.length) return false;
  if (end - start === name.length && query.startsWith(name, start) && !isEscaped(name)) return true;
  const written = query.slice(start, end);
  return isEscaped(written) && decode(written) === name;
}

function isEscaped(text: string): boolean {
  return text.includes("%") || text.includes("+");
}

function decode(text: string): string {
  if (!isEscaped(text)) return text;
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    // Not UTF-8, or no escape at all: it then means what it says.
    return spaced;
  }
}
