/**
 * Takes the fields out of a message that concern one connection alone (RFC 9110 section 7.6.1) or say how the message is
 * framed: whoever passes it on writes its own. Also every field that `Connection` names, but not `Host`: naming it
 * is how one hides a field from the next reader.
 */
import type { FieldFilter, Fields } from "../fields.ts";

const NONE: readonly string[] = [];
const KEEP_ALIVE: readonly string[] = ["keep-alive"];
/** Options that are not names of fields. */
const ABOUT_CONNECTION: ReadonlySet<string> = new Set(["close", "keep-alive", "upgrade"]);

export class ConnectionFields implements FieldFilter {
  host: string | undefined;
  hosts = 0;
  contentLength: string | undefined;
  contentLengths = 0;
  /** All of them as one list. */
  transferEncoding: string | undefined;
  /** Options of `Connection`, in lower case. */
  options: readonly string[] = NONE;
  connection: string | undefined;
  upgrade: string | undefined;
  te: string | undefined;
  expect: string | undefined;
  keepAlive: string | undefined;

  /** Takes what is about the connection, and keeps the rest. */
  keeps(key: string, value: string): boolean {
    switch (key) {
      case "host":
        this.host = value;
        this.hosts += 1;
        return false;
      case "content-length":
        this.contentLength = value;
        this.contentLengths += 1;
        return false;
      case "transfer-encoding":
        this.transferEncoding = join(this.transferEncoding, value);
        return false;
      case "connection":
        this.connection = join(this.connection, value);
        return false;
      case "upgrade":
        this.upgrade = join(this.upgrade, value);
        return false;
      case "te":
        this.te = join(this.te, value);
        return false;
      case "expect":
        this.expect = join(this.expect, value);
        return false;
      case "keep-alive":
        this.keepAlive = value;
        return false;
      case "proxy-connection":
        return false;
      default:
        return true;
    }
  }
}

/** All fields of a message: those that are about the connection taken out, and the rest. */
export interface FieldSection {
  readonly own: ConnectionFields;
  readonly fields: Fields;
}

export function readSection(fields: Fields): FieldSection {
  return { own: takeConnectionFields(fields), fields };
}

export function takeConnectionFields(fields: Fields): ConnectionFields {
  const taken = new ConnectionFields();
  fields.keep(taken);
  // What many say with every message.
  if (taken.connection === "keep-alive") taken.options = KEEP_ALIVE;
  else if (taken.connection !== undefined) {
    taken.options = splitList(taken.connection);
    removeNamed(fields, taken.options);
  }
  return taken;
}

/** Members of a list in lower case, without empty ones. */
export function splitList(list: string): string[] {
  const members: string[] = [];
  for (const member of list.split(",")) {
    const text = member.trim().toLowerCase();
    if (text !== "") members.push(text);
  }
  return members;
}

/** In one pass: a client may name thousands. */
function removeNamed(fields: Fields, options: readonly string[]): void {
  const named = new Set(options.filter((option) => !ABOUT_CONNECTION.has(option)));
  if (named.size > 0) fields.keep({ keeps: (key) => !named.has(key) });
}

function join(list: string | undefined, value: string): string {
  return list === undefined ? value : `${list}, ${value}`;
}
