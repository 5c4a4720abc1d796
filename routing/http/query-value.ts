/**
 * The value of a query parameter: of the first one of that name, decoded as forms are (`%20` and `+` are a space). A
 * parameter without `=` has the value "". Nothing is allocated for a query that needs no decoding but the value itself.
 */

/** Undefined when there is none of that name. `query` is what follows the question mark. */
export function queryValue(query: string, name: string): string | undefined {
  for (let start = 0; start <= query.length; ) {
    const next = query.indexOf("&", start);
    const end = next === -1 ? query.length : next;
    const equals = query.indexOf("=", start);
    const nameEnd = equals === -1 || equals > end ? end : equals;
    if (isName(query, start, nameEnd, name)) return decode(query.slice(Math.min(nameEnd + 1, end), end));
    start = end + 1;
  }
  return undefined;
}

function isName(query: string, start: number, end: number, name: string): boolean {
  if (end - start === name.length) return query.startsWith(name, start) || isEncoded(query, start, end, name);
  // An encoded name is longer than what it means.
  return end - start > name.length && isEncoded(query, start, end, name);
}

function isEncoded(query: string, start: number, end: number, name: string): boolean {
  if (end === start) return false;
  const written = query.slice(start, end);
  return (written.includes("%") || written.includes("+")) && decode(written) === name;
}

function decode(text: string): string {
  if (!text.includes("%") && !text.includes("+")) return text;
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    // Not UTF-8, or no escape at all: it then means what it says.
    return spaced;
  }
}
