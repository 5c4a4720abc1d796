/**
 * Takes the fields out of a message that concern one connection alone (RFC 9110 section 7.6.1) or say how the message is
 * framed: whoever passes it on writes its own. Also every field that `Connection` names, but not `Host`: naming it
 * is how one hides a field from the next reader.
 */
import type { Fields } from "../fields.ts";

export interface ConnectionFields {
  host: string | undefined;
  hosts: number;
  contentLength: string | undefined;
  contentLengths: number;
  /** All of them as one list. */
  transferEncoding: string | undefined;
  /** Options of `Connection`, in lower case. */
  options: readonly string[];
  upgrade: string | undefined;
  te: string | undefined;
  expect: string | undefined;
  keepAlive: string | undefined;
}

const NONE: readonly string[] = [];

export function takeConnectionFields(fields: Fields): ConnectionFields {
  const taken: ConnectionFields = {
    host: undefined,
    hosts: 0,
    contentLength: undefined,
    contentLengths: 0,
    transferEncoding: undefined,
    options: NONE,
    upgrade: undefined,
    te: undefined,
    expect: undefined,
    keepAlive: undefined,
  };
  let connection: string | undefined;
  fields.keep((key, value) => {
    switch (key) {
      case "host":
        taken.host = value;
        taken.hosts += 1;
        return false;
      case "content-length":
        taken.contentLength = value;
        taken.contentLengths += 1;
        return false;
      case "transfer-encoding":
        taken.transferEncoding = join(taken.transferEncoding, value);
        return false;
      case "connection":
        connection = join(connection, value);
        return false;
      case "upgrade":
        taken.upgrade = join(taken.upgrade, value);
        return false;
      case "te":
        taken.te = join(taken.te, value);
        return false;
      case "expect":
        taken.expect = join(taken.expect, value);
        return false;
      case "keep-alive":
        taken.keepAlive = value;
        return false;
      case "proxy-connection":
        return false;
      default:
        return true;
    }
  });
  if (connection !== undefined) {
    taken.options = splitList(connection);
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

function removeNamed(fields: Fields, options: readonly string[]): void {
  for (const option of options) {
    if (option !== "close" && option !== "keep-alive" && option !== "upgrade") fields.delete(option);
  }
}

function join(list: string | undefined, value: string): string {
  return list === undefined ? value : `${list}, ${value}`;
}
