/**
 * Turns the fields of a message into what the data plane needs, or says that the message is malformed (RFC 9113
 * section 8.1.1, 8.2, 8.3 and 8.5). Pure.
 */
import type { ConnectRequest } from "../engine.ts";
import type { HeaderField } from "../../http2/hpack-static-table.ts";

export interface IncomingRequest extends ConnectRequest {
  readonly method: string;
}

export interface IncomingResponse {
  readonly status: number;
  readonly reason: string | undefined;
}

const REQUEST_PSEUDO = new Set([":method", ":authority", ":scheme", ":path", ":protocol"]);
const RESPONSE_PSEUDO = new Set([":status"]);
/** Section 8.2.2: of HTTP/1.1, must not come here. */
const CONNECTION_SPECIFIC = new Set(["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"]);
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** No control characters but tab, and no blanks at the ends. */
const VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/;
const STATUS = /^[1-9][0-9][0-9]$/;
/** Tells the caller's operator why a stream was refused (beyond HBONE, which has no such header). */
const REASON_HEADER = "hawser-reason";

interface Fields {
  readonly pseudo: ReadonlyMap<string, string>;
  readonly headers: Record<string, string>;
}

/** A request of any method; undefined: malformed. */
export function readRequest(fields: readonly HeaderField[]): IncomingRequest | undefined {
  const read = readFields(fields, REQUEST_PSEUDO);
  const method = read?.pseudo.get(":method");
  if (read === undefined || method === undefined) return undefined;
  const { pseudo, headers } = read;
  const authority = pseudo.get(":authority");
  if (method === "CONNECT" && !pseudo.has(":protocol")) {
    // Section 8.5: the authority, and neither scheme nor path.
    if (authority === undefined || pseudo.has(":scheme") || pseudo.has(":path")) return undefined;
  } else if (!pseudo.get(":path") || !pseudo.has(":scheme")) return undefined;
  return { method, authority: authority ?? "", headers };
}

/** undefined: malformed. */
export function readResponse(fields: readonly HeaderField[]): IncomingResponse | undefined {
  const read = readFields(fields, RESPONSE_PSEUDO);
  const status = read?.pseudo.get(":status");
  if (read === undefined || status === undefined || !STATUS.test(status)) return undefined;
  return { status: Number(status), reason: read.headers[REASON_HEADER] };
}

function readFields(fields: readonly HeaderField[], allowed: ReadonlySet<string>): Fields | undefined {
  const pseudo = new Map<string, string>();
  const headers: Record<string, string> = {};
  const repeated = new Set<string>();
  let pseudoOver = false;
  for (const [name, value] of fields) {
    if (!VALUE.test(value)) return undefined;
    if (name.startsWith(":")) {
      if (pseudoOver || !allowed.has(name) || pseudo.has(name)) return undefined;
      pseudo.set(name, value);
      continue;
    }
    pseudoOver = true;
    if (!NAME.test(name) || CONNECTION_SPECIFIC.has(name) || (name === "te" && value !== "trailers")) return undefined;
    if (Object.hasOwn(headers, name)) repeated.add(name);
    headers[name] = value;
  }
  // A header that is repeated is ambiguous.
  for (const name of repeated) delete headers[name];
  return { pseudo, headers };
}
