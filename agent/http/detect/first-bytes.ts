/**
 * What a client's first bytes are. Pure.
 *
 * Whatever some server could take for a request is HTTP here, also when it is written as it must not be (blanks before it, a
 * method in lower case, a tab or any number of blanks): the parser then refuses it. Relayed as bytes it would pass every route.
 */
export type FirstBytes = "http" | "tls" | "bytes";

/** TLS: a record of type handshake, of any version (RFC 8446 section 5.1). */
const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR_VERSION = 3;
/**
 * What could be a request and does not end, be it blanks before it, a method or blanks behind it: lenient readers go on
 * without end. Nothing else begins with so much of it.
 */
const UNDECIDED_BYTES = 1_024;
/** To some servers every token is a method, of any length (RFC 9110 section 9.1). */
const METHOD = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** RFC 9112 section 3 has the first five as what lenient readers divide a line by; Python's divides by the others too. */
const BLANKS = "[ \\t\\v\\f\\r\\x1c-\\x1f\\x85\\xa0]+";
/** A method, blanks, and how a target begins; or as much of it as there is. */
const REQUEST = new RegExp(`^${METHOD}${BLANKS}(?:[/*?]|https?://)`, "i");
const CONNECT = new RegExp(`^connect${BLANKS}[^\\r\\n]`, "i");
const REQUEST_SO_FAR = new RegExp(`^${METHOD}(?:${BLANKS}(?:h(?:t(?:t(?:p(?:s?(?::/?)?)?)?)?)?)?)?$`, "i");

/** Undefined: there are too few to tell. */
export function recogniseFirstBytes(bytes: Buffer): FirstBytes | undefined {
  if (bytes[0] === TLS_HANDSHAKE) {
    if (bytes.length === 1) return undefined;
    return bytes[1] === TLS_MAJOR_VERSION ? "tls" : "bytes";
  }
  let from = 0;
  while (from < bytes.length && isBlank(bytes[from] as number)) from += 1;
  if (from === bytes.length) return from < UNDECIDED_BYTES ? undefined : "http";
  const text = bytes.toString("latin1", from, from + UNDECIDED_BYTES);
  if (REQUEST.test(text) || CONNECT.test(text)) return "http";
  if (!REQUEST_SO_FAR.test(text)) return "bytes";
  return text.length < UNDECIDED_BYTES ? undefined : "http";
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
