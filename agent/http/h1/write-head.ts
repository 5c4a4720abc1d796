/**
 * Heads as they leave: text of Latin-1 characters, a byte each. What leaves is never what came, but what was understood of it: framing and
 * connection fields are written anew from the parsed values.
 */
import type { Fields } from "../fields.ts";
import type { Framing } from "./framing.ts";

export interface OutgoingRequest {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly fields: Fields;
  readonly framing: Framing;
  readonly upgrade?: string | undefined;
  readonly expectsContinue?: boolean;
  readonly trailersWanted?: boolean;
}

export interface OutgoingResponse {
  readonly status: number;
  readonly reason: string;
  readonly fields: Fields;
  readonly framing: Framing;
  readonly upgrade?: string | undefined;
  /** `keep-alive` is said to HTTP/1.0 clients only. */
  readonly connection?: "close" | "keep-alive" | undefined;
}

export function writeRequestHead(request: OutgoingRequest): string {
  const { method, path, authority, fields, framing, upgrade, expectsContinue, trailersWanted } = request;
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${authority}\r\n${fields.lines}${framingLine(framing)}`;
  if (expectsContinue === true) text += "expect: 100-continue\r\n";
  if (upgrade !== undefined) text += `connection: upgrade\r\nupgrade: ${upgrade}\r\n`;
  else if (trailersWanted === true) text += "connection: te\r\nte: trailers\r\n";
  return `${text}\r\n`;
}

export function writeResponseHead(response: OutgoingResponse): string {
  const { status, reason, fields, framing, upgrade, connection } = response;
  let text = `HTTP/1.1 ${status} ${reason}\r\n${fields.lines}${framingLine(framing)}`;
  if (upgrade !== undefined) text += `connection: upgrade\r\nupgrade: ${upgrade}\r\n`;
  else if (connection !== undefined) text += `connection: ${connection}\r\n`;
  return `${text}\r\n`;
}

function framingLine({ body, length }: Framing): string {
  if (body === "chunked") return "transfer-encoding: chunked\r\n";
  return length === undefined ? "" : `content-length: ${length}\r\n`;
}
