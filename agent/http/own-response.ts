/** An answer that is ours: what a route says without asking a backend, or that none could be asked. */
import { STATUS_CODES } from "node:http";
import { Fields } from "./h1/fields.ts";
import type { Framing } from "./h1/framing.ts";
import { writeResponseHead } from "./h1/write-head.ts";

export interface OwnResponse {
  readonly status: number;
  /** One of `RequestReason`. */
  readonly reason: string;
  /** One sentence; empty for answers that are no failure. */
  readonly text: string;
  /** Changed here. */
  readonly fields?: Fields;
}

/** The whole answer. `method`: of the request. */
export function writeOwnResponse(
  response: OwnResponse,
  method: string,
  connection: "close" | "keep-alive" | undefined,
): Buffer {
  const { status, reason, text, fields = new Fields() } = response;
  const isEmpty = text === "";
  const body = isEmpty ? "" : `${reason}: ${text}\n`;
  if (!isEmpty) {
    fields.add("content-type", "text/plain; charset=utf-8");
    fields.add("hawser-reason", reason);
  }
  fields.add("server", "hawser");
  fields.add("date", new Date().toUTCString());
  const framing: Framing = { body: "none", length: status === 204 ? undefined : Buffer.byteLength(body) };
  const head = writeResponseHead({ status, reason: STATUS_CODES[status] ?? "", fields, framing, connection });
  return body === "" || method === "HEAD" ? head : Buffer.concat([head, Buffer.from(body)]);
}
