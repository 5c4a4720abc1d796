/**
 * The value of a request by which its endpoint is chosen. A client without the cookie that is asked for gets one with the
 * answer, and is served by its value already, so that the next request comes to the same endpoint.
 */
import type { ValueSource } from "../../protocol/route-table.ts";
import { requestValue, type ValueFacts } from "../../routing/http/request-value.ts";
import { sessionField } from "./session/session-values.ts";

export interface HashValue {
  /** Undefined: the request has none. */
  readonly value: string | undefined;
  /** For the answer. */
  readonly cookie?: readonly [name: string, value: string];
}

/** `newId`: what nobody else has. */
export function hashValueOf(source: ValueSource, facts: ValueFacts, newId: () => string): HashValue {
  // An empty value tells nobody apart.
  const value = requestValue(facts, source) || undefined;
  if (value !== undefined || source.from !== "cookie") return { value };
  const id = newId();
  const { name, path = "/", ttlMs } = source;
  const lifetime = ttlMs === undefined ? { permanent: false } : { permanent: true, timeoutMs: ttlMs };
  return { value: id, cookie: sessionField({ type: "cookie", name, path, ...lifetime }, id) };
}
