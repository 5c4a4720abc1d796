/** Carries out what filters say about headers. */
import type { HeaderChanges } from "../../protocol/route-table.ts";

/** Headers by name in lower case, values in their order. A `Map` is one. */
export interface MutableHeaders {
  get(name: string): string | readonly string[] | undefined;
  set(name: string, value: string): unknown;
  delete(name: string): unknown;
}

/**
 * What is added goes behind the values that are there, with a comma between: one field line, as HTTP proxies do (RFC 9110
 * section 5.3). `Set-Cookie` cannot be joined, and is given to `appendCookie` instead.
 */
export function changeHeaders(
  headers: MutableHeaders,
  changes: readonly HeaderChanges[],
  appendCookie: (value: string) => void = () => undefined,
): void {
  for (const { set = [], add = [], remove = [] } of changes) {
    for (const [name, value] of set) headers.set(name, value);
    for (const [name, value] of add) {
      if (name === "set-cookie") appendCookie(value);
      else headers.set(name, joined(headers.get(name), value));
    }
    for (const name of remove) headers.delete(name);
  }
}

function joined(before: string | readonly string[] | undefined, value: string): string {
  if (before === undefined || before.length === 0) return value;
  return `${typeof before === "string" ? before : before.join(",")},${value}`;
}
