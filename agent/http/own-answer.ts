/** An answer that is ours: what a route says without asking a backend, or that none could be asked. */
import { Fields } from "./fields.ts";
import type { RequestReason } from "./request-failure.ts";
import type { ResponseHead } from "./response-head.ts";

export interface OwnAnswer {
  readonly status: number;
  readonly reason: RequestReason;
  /** One sentence; empty for answers that are no failure. */
  readonly text: string;
  /** Changed here. */
  readonly fields?: Fields;
}

/** Head and body at once. */
export interface WholeAnswer {
  readonly head: ResponseHead;
  /** Not sent as the answer to HEAD. */
  readonly body: Buffer | undefined;
}

export function writeOwnAnswer({ status, reason, text, fields = new Fields() }: OwnAnswer): WholeAnswer {
  const body = text === "" ? undefined : Buffer.from(`${reason}: ${text}\n`);
  if (body !== undefined) {
    fields.add("content-type", "text/plain; charset=utf-8");
    fields.add("hawser-reason", reason);
  }
  fields.add("server", "hawser");
  fields.add("date", new Date().toUTCString());
  const length = body?.length ?? 0;
  const head = { status, reason: undefined, fields, hasBody: body !== undefined, length, upgrade: undefined };
  return { head, body };
}
