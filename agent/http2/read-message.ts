/**
 * Turns the fields of a header block into a message, or says why it is malformed (RFC 9113 sections 8.1 to 8.3 and 8.5, RFC
 * 8441 section 4, and RFC 9110 where it is about values). Pure. Where HTTP/1.1 is read more strictly than it must be (agent/http/h1), so is this:
 * the same request must not pass in one version and not in the other.
 */
import { Fields } from "../http/fields.ts";
import { isAuthority } from "../http/h1/request-target.ts";
import type { HeaderField } from "./hpack-static-table.ts";
import { Http2Error } from "./http2-error.ts";
import type { RequestMessage, ResponseMessage } from "./request-stream.ts";

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** No control characters but tab, and no blanks at the ends (section 8.2.1). */
const VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/;
/** In upper case only, as in HTTP/1.1: servers disagree about what `get` is. No method is longer. */
const METHOD = /^[A-Z][A-Z0-9_-]{0,31}$/;
/** A token (RFC 9110 section 5.6.2), no longer than a method. */
const PROTOCOL = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}$/;
/** Visible ASCII, no fragment: what a server takes for the path would be a guess. */
const PATH = /^\/[!"$-~]*$/;
const STATUS = /^[1-9][0-9][0-9]$/;
/** Digits alone. More of them than this is a number that no reader counts to. */
const LENGTH = /^[0-9]{1,19}$/;
const COLON = 0x3a;

/** What a list of fields has beside those for the far end. */
interface Read {
  readonly fields: Fields;
  method: string | undefined;
  protocol: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  path: string | undefined;
  status: string | undefined;
  host: string | undefined;
  length: number | undefined;
  trailersWanted: boolean;
  expectsContinue: boolean;
}

/** `endStream`: no body follows. Throws Http2Error `protocol-error` for what is malformed. */
export function readRequestMessage(list: readonly HeaderField[], endStream: boolean): RequestMessage {
  const read = readFields(list, "request");
  const { method = "", protocol, scheme = "", path = "", fields, length, trailersWanted, expectsContinue } = read;
  if (!METHOD.test(method)) throw malformed("a request without a :method, or one that is no word in upper case");
  if (protocol !== undefined) checkExtendedConnect(read);
  if (method === "CONNECT" && protocol === undefined) {
    if (read.scheme !== undefined || read.path !== undefined) throw malformed("CONNECT with a :scheme or a :path");
  } else {
    if (scheme !== "http" && scheme !== "https") throw malformed("a request whose :scheme is not http or https");
    if (!PATH.test(path) && !(path === "*" && method === "OPTIONS")) {
      throw malformed("a request without a :path, or one that does not begin with / or has what no path has");
    }
  }
  if (endStream && length !== undefined && length > 0) throw malformed("a request that ends before its content-length");
  const authority = readAuthority(read);
  return { method, protocol, scheme, authority, path, fields, length, trailersWanted, expectsContinue };
}

export function readResponseMessage(list: readonly HeaderField[], endStream: boolean): ResponseMessage {
  const { status = "", fields, length } = readFields(list, "response");
  if (!STATUS.test(status)) throw malformed("a response without a :status of three digits");
  if (status === "101") throw malformed("a response 101, which HTTP/2 does not have");
  if (endStream && status.startsWith("1")) throw malformed("an interim response as the end of its answer");
  // Their lengths mean nothing (RFC 9110 section 8.6).
  const hasLength = status !== "204" && !status.startsWith("1");
  return { status: Number(status), fields, length: hasLength ? length : undefined };
}

/** `endStream`: they must end the message. */
export function readTrailers(list: readonly HeaderField[], endStream: boolean): Fields {
  if (!endStream) throw malformed("headers in the middle of a body");
  return readFields(list, "trailers").fields;
}

type MessagePart = "request" | "response" | "trailers";

function readFields(list: readonly HeaderField[], part: MessagePart): Read {
  const read: Read = {
    fields: new Fields(),
    method: undefined,
    protocol: undefined,
    scheme: undefined,
    authority: undefined,
    path: undefined,
    status: undefined,
    host: undefined,
    length: undefined,
    trailersWanted: false,
    expectsContinue: false,
  };
  let pseudoOver = false;
  let cookieAt = -1;
  for (const [name, value, isSecret] of list) {
    if (!VALUE.test(value)) throw malformed("a field value with a control character, or with blanks at an end");
    if (name.charCodeAt(0) === COLON) {
      if (pseudoOver) throw malformed("a pseudo-header after other fields");
      readPseudo(read, name, value, part);
      continue;
    }
    pseudoOver = true;
    if (isSecret === true) (read.fields.secrets ??= new Set()).add(name);
    if (name === "cookie") cookieAt = readCookie(read.fields, value, cookieAt);
    else if (!readSpecial(read, name, value, part)) {
      if (!NAME.test(name)) throw malformed("a field name that is no word in lower case");
      append(read.fields, name, value);
    }
  }
  return read;
}

function readPseudo(read: Read, name: string, value: string, part: MessagePart): void {
  const key = name.slice(1);
  if (part === "request" && isRequestPseudo(key)) {
    if (read[key] !== undefined) throw malformed(`${name} twice`);
    read[key] = value;
  } else if (part === "response" && key === "status") {
    if (read.status !== undefined) throw malformed(":status twice");
    read.status = value;
  } else
    throw malformed(`${part === "trailers" ? "trailers" : `a ${part}`} with a pseudo-header that is none of theirs`);
}

function isRequestPseudo(key: string): key is "method" | "protocol" | "scheme" | "authority" | "path" {
  return key === "method" || key === "scheme" || key === "authority" || key === "path" || key === "protocol";
}

/** RFC 8441 section 4. What follows is of another protocol, whose length nobody knows. */
function checkExtendedConnect({ method, protocol = "", length }: Read): void {
  if (method !== "CONNECT") throw malformed("a :protocol, but no CONNECT");
  if (!PROTOCOL.test(protocol)) throw malformed("a :protocol that is no word");
  if (length !== undefined) throw malformed("CONNECT with a content-length");
}

/** Fields that say something about the message itself. False: it is none of them. */
function readSpecial(read: Read, name: string, value: string, part: MessagePart): boolean {
  switch (name) {
    case "content-length":
      if (part === "trailers" || read.length !== undefined) throw malformed("content-length twice, or among trailers");
      read.length = Number(value);
      if (!LENGTH.test(value) || !Number.isSafeInteger(read.length))
        throw malformed("content-length that is no number");
      return true;
    case "host":
      if (part === "response") return false;
      if (part === "trailers" || read.host !== undefined) throw malformed("host twice, or among trailers");
      read.host = value;
      return true;
    case "te":
      if (value !== "trailers") throw malformed("te other than trailers");
      read.trailersWanted = true;
      return true;
    case "expect":
      if (part !== "request") return false;
      if (value.toLowerCase() !== "100-continue") throw malformed("an expectation other than 100-continue");
      read.expectsContinue = true;
      return true;
    // Section 8.2.2: of HTTP/1.1, must not come here.
    case "connection":
    case "proxy-connection":
    case "keep-alive":
    case "transfer-encoding":
    case "upgrade":
      throw malformed(`${name}, which is for HTTP/1.1 alone`);
    default:
      return false;
  }
}

/** Section 8.2.3: crumbs of one cookie, to be joined. Returns where it is. */
function readCookie(fields: Fields, value: string, cookieAt: number): number {
  if (cookieAt < 0) {
    append(fields, "cookie", value);
    return fields.size - 1;
  }
  fields.values[cookieAt] = `${fields.values[cookieAt]}; ${value}`;
  return cookieAt;
}

/** Section 8.3.1: they must not differ, and one of them must be there. */
function readAuthority({ authority, host }: Read): string {
  const named = authority ?? host;
  if (named === undefined) throw malformed("a request with neither :authority nor host");
  if (!isAuthority(named)) throw malformed("a request whose :authority is no host");
  if (host !== undefined && host.toLowerCase() !== named.toLowerCase()) {
    throw malformed("a request whose host is not its :authority");
  }
  return named;
}

/** The name is in lower case already. */
function append(fields: Fields, name: string, value: string): void {
  fields.names.push(name);
  fields.keys.push(name);
  fields.values.push(value);
}

function malformed(what: string): Http2Error {
  return new Http2Error("protocol-error", `Peer sends ${what}`);
}
