/**
 * What a client's first bytes are. Pure.
 *
 * Whatever some server could take for a request is HTTP here, also when it is written as it must not be (blanks before it, a
 * method in lower case, a tab): the parser then refuses it. Relayed as bytes it would pass every route.
 */
export type FirstBytes = "http" | "tls" | "bytes";

/** TLS: a record of type handshake, of any version (RFC 8446 section 5.1). */
const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR_VERSION = 3;
/** Blanks before a request, which lenient readers skip without end; nothing else begins with so many. */
const BLANKS = 1_024;
/** As long as a method may be for our parser. */
const METHOD_BYTES = 32;
/** A method, blanks, and how a target begins; or as much of it as there is. */
const REQUEST = /^[A-Za-z][A-Za-z0-9_-]*[ \t]+(?:[/*?]|https?:\/\/)/i;
const CONNECT = /^connect[ \t]+[^\r\n]/i;
const REQUEST_SO_FAR = /^[A-Za-z][A-Za-z0-9_-]*(?:[ \t]+(?:h(?:t(?:t(?:p(?:s?(?::\/?)?)?)?)?)?)?)?$/i;

/** Undefined: there are too few to tell. */
export function recogniseFirstBytes(bytes: Buffer): FirstBytes | undefined {
  if (bytes[0] === TLS_HANDSHAKE) {
    if (bytes.length === 1) return undefined;
    return bytes[1] === TLS_MAJOR_VERSION ? "tls" : "bytes";
  }
  let from = 0;
  while (from < bytes.length && isBlank(bytes[from] as number)) from += 1;
  if (from === bytes.length) return from < BLANKS ? undefined : "http";
  const text = bytes.toString("latin1", from, from + METHOD_BYTES * 2);
  if (REQUEST.test(text) || CONNECT.test(text)) return "http";
  return text.length < METHOD_BYTES * 2 && REQUEST_SO_FAR.test(text) ? undefined : "bytes";
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
