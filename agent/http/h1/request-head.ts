/** A request line and its fields, read as RFC 9112 sections 2 to 6 have it. */
import { httpLimits } from "../limits.ts";
import type { RequestHead } from "../request-head.ts";
import { type ConnectionFields, type FieldSection, splitList } from "./connection-fields.ts";
import { type Framing, requestFraming } from "./framing.ts";
import { H1Error } from "./h1-error.ts";
import { isAuthority, readTarget } from "./request-target.ts";

/** What HTTP/1.1 says besides what every version says. */
export interface H1RequestHead extends RequestHead {
  /** HTTP/1.<minor>. */
  readonly minor: 0 | 1;
  readonly framing: Framing;
  /** The client sends more requests after this one. */
  readonly keepAlive: boolean;
  readonly isInterim: false;
}

/** Methods in upper case only: servers disagree about what `get` is. */
const METHOD = /^[A-Z][A-Z0-9_-]*$/;

export function readRequestHead(line: string, { own, fields }: FieldSection): H1RequestHead {
  const methodEnd = line.indexOf(" ");
  const targetEnd = line.indexOf(" ", methodEnd + 1);
  if (methodEnd < 1 || targetEnd <= methodEnd + 1) {
    throw new H1Error("bad-start-line", "A request line is a method, a target and a version");
  }
  const method = line.slice(0, methodEnd);
  const minor = readVersion(line.slice(targetEnd + 1));
  if (!METHOD.test(method)) throw new H1Error("bad-method", "A method is a word in upper case");
  if (method.length > httpLimits.methodBytes) throw new H1Error("unsupported-method", "No method is that long");
  const target = readTarget(method, line.slice(methodEnd + 1, targetEnd));
  const host = readHost(minor, own);
  const framing = requestFraming(minor, own);
  return {
    version: 1,
    method,
    scheme: "http",
    path: target.path,
    authority: target.authority ?? host,
    minor,
    fields,
    framing,
    hasBody: framing.body !== "none",
    length: framing.length,
    keepAlive: staysOpen(minor, own.options),
    upgrade: minor === 1 && own.options.includes("upgrade") ? own.upgrade : undefined,
    expectsContinue: minor === 1 && readExpectation(own.expect),
    trailersWanted: own.te !== undefined && splitList(own.te).includes("trailers"),
    isInterim: false,
    repeats: undefined,
  };
}

/** RFC 9112 section 9.3. */
export function staysOpen(minor: number, options: readonly string[]): boolean {
  if (options.includes("close")) return false;
  return minor === 1 || options.includes("keep-alive");
}

/** `HTTP/1.0` or `HTTP/1.1`. */
export function readVersion(text: string): 0 | 1 {
  if (text === "HTTP/1.1") return 1;
  if (text === "HTTP/1.0") return 0;
  if (!/^HTTP\/[0-9]\.[0-9]$/.test(text)) throw new H1Error("bad-version", "A version is HTTP/1.0 or HTTP/1.1");
  throw new H1Error("unsupported-version", `This is HTTP/1.1, not ${text}`);
}

/** RFC 9112 section 3.2: exactly one, with one host. */
function readHost(minor: number, { hosts, host = "" }: ConnectionFields): string {
  if (hosts > 1) throw new H1Error("bad-host", "A request has more than one Host");
  if (hosts === 0 && minor === 1) throw new H1Error("bad-host", "A request has no Host");
  if (host !== "" && !isAuthority(host)) throw new H1Error("bad-host", "Host is not a host");
  return host;
}

function readExpectation(expect: string | undefined): boolean {
  if (expect === undefined) return false;
  if (expect.toLowerCase() !== "100-continue") {
    throw new H1Error("unsupported-expectation", "The only expectation there is is 100-continue");
  }
  return true;
}
