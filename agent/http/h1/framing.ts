/**
 * Where a message's body ends (RFC 9112 section 6). One answer or an error: a message that two readers could cut at
 * different places is not passed on.
 */
import type { ConnectionFields } from "./connection-fields.ts";
import { H1Error } from "./h1-error.ts";

export type BodyKind = "none" | "length" | "chunked" | "until-close";

export interface Framing {
  readonly body: BodyKind;
  /** The value of Content-Length, which an answer to HEAD has although no body follows. */
  readonly length: number | undefined;
}

export const NO_BODY: Framing = { body: "none", length: undefined };
const CHUNKED: Framing = { body: "chunked", length: undefined };
const UNTIL_CLOSE: Framing = { body: "until-close", length: undefined };
/** Digits alone: no sign, no list, no other base. More of them than this is a number that no reader counts to. */
const LENGTH = /^[0-9]{1,19}$/;

/** `minor`: the message's version, HTTP/1.<minor>. */
export function requestFraming(minor: number, fields: ConnectionFields): Framing {
  if (fields.transferEncoding !== undefined) return chunkedFraming(minor, fields.transferEncoding, fields);
  return declaredLength(fields) ?? NO_BODY;
}

/** `method`: of the request that this answers. */
export function responseFraming(minor: number, status: number, method: string, fields: ConnectionFields): Framing {
  const chunked =
    fields.transferEncoding === undefined ? undefined : chunkedFraming(minor, fields.transferEncoding, fields);
  const length = declaredLength(fields);
  // Their lengths mean nothing, also when a server sends one (RFC 9110 section 8.6).
  if (status < 200 || status === 204) return NO_BODY;
  if (method === "HEAD" || status === 304) return { body: "none", length: length?.length };
  return chunked ?? length ?? UNTIL_CLOSE;
}

/** Of a message that leaves: where no length was said, chunks. */
export function framingFor({
  hasBody,
  length,
}: {
  readonly hasBody: boolean;
  readonly length: number | undefined;
}): Framing {
  if (length !== undefined) return { body: hasBody ? "length" : "none", length };
  return hasBody ? CHUNKED : NO_BODY;
}

function chunkedFraming(minor: number, transferEncoding: string, fields: ConnectionFields): Framing {
  if (fields.contentLengths > 0) {
    throw new H1Error("ambiguous-length", "A message has both Content-Length and Transfer-Encoding");
  }
  if (minor === 0) throw new H1Error("bad-transfer-encoding", "HTTP/1.0 has no Transfer-Encoding");
  const coding = transferEncoding.toLowerCase();
  if (coding === "chunked") return CHUNKED;
  // Other codings before the chunked one are legal, but nobody is here to decode them (RFC 9112 section 6.1).
  if (/^(?:[a-z0-9-]+, ?)+chunked$/.test(coding) && !/chunked, ?/.test(coding)) {
    throw new H1Error("unsupported-transfer-encoding", "Of transfer codings only chunked is supported");
  }
  throw new H1Error("bad-transfer-encoding", "Transfer-Encoding must be chunked");
}

function declaredLength(fields: ConnectionFields): Framing | undefined {
  if (fields.contentLength === undefined) return undefined;
  // Also when they are equal: RFC 9110 section 8.6 lets a recipient choose, and no honest sender repeats itself.
  if (fields.contentLengths > 1) throw new H1Error("ambiguous-length", "A message has more than one Content-Length");
  const length = Number(fields.contentLength);
  if (!LENGTH.test(fields.contentLength) || !Number.isSafeInteger(length)) {
    throw new H1Error("bad-content-length", "Content-Length is not a number of bytes");
  }
  return { body: length === 0 ? "none" : "length", length };
}
