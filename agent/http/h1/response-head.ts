/** A status line and its fields, read as RFC 9112 sections 4 and 6 have it. */
import type { ResponseHead } from "../response-head.ts";
import type { FieldSection } from "./connection-fields.ts";
import { type Framing, responseFraming } from "./framing.ts";
import { H1Error } from "./h1-error.ts";
import { readVersion, staysOpen } from "./request-head.ts";

/** What HTTP/1.1 says besides what every version says. */
export interface H1ResponseHead extends ResponseHead {
  readonly reason: string;
  /** HTTP/1.<minor>. */
  readonly minor: 0 | 1;
  readonly framing: Framing;
  /** The server takes more requests after this one. */
  readonly keepAlive: boolean;
  /** `Keep-Alive: timeout=`: seconds that the server keeps the connection when it is idle. */
  readonly keepAliveSeconds: number | undefined;
  /** 100 to 199 but 101: the real head follows. */
  readonly isInterim: boolean;
}

/** The space before an empty reason is often forgotten. */
const STATUS_AND_REASON = /^([1-9][0-9]{2})(?: (.*))?$/;

/** `method`: of the request that this answers. */
export function readResponseHead(line: string, { own, fields }: FieldSection, method: string): H1ResponseHead {
  const versionEnd = line.indexOf(" ");
  const match = versionEnd === -1 ? null : STATUS_AND_REASON.exec(line.slice(versionEnd + 1));
  if (match === null) throw new H1Error("bad-start-line", "A status line is a version, a status and a reason");
  const minor = readVersion(line.slice(0, versionEnd));
  const status = Number(match[1]);
  // HTTP/1.0 has no interim answers (RFC 9110 section 15.2): some readers take such a one for the last before the end.
  if (minor === 0 && status < 200) throw new H1Error("bad-version", `Status ${status} is not one of HTTP/1.0`);
  const framing = responseFraming(minor, status, method, own);
  return {
    status,
    reason: match[2] ?? "",
    minor,
    fields,
    framing,
    hasBody: framing.body !== "none",
    length: framing.length,
    keepAlive: framing.body !== "until-close" && staysOpen(minor, own.options),
    keepAliveSeconds: readTimeout(own.keepAlive),
    upgrade: status === 101 ? own.upgrade : undefined,
    isInterim: status < 200 && status !== 101,
  };
}

function readTimeout(keepAlive: string | undefined): number | undefined {
  const seconds = keepAlive === undefined ? undefined : /\btimeout=([0-9]{1,6})\b/.exec(keepAlive)?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}
