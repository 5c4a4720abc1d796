/**
 * Heads on their way through: what a route changes, and the little that we add.
 *
 * - `x-request-id` is made when there is none, as Envoy does. `traceparent` only passes: one of ours would make
 *   applications believe that a trace was begun, and that it is not to be sampled.
 * - No `x-forwarded-for`: the server sees its client's own address.
 * - No `via`, and `server` stays the backend's: to the application the agent is not there.
 */
import type { HeaderChanges } from "../../protocol/route-table.ts";
import { changeHeaders } from "../../routing/http/change-headers.ts";
import { takeConnectionFields } from "./h1/connection-fields.ts";
import type { BodyKind, Framing } from "./h1/framing.ts";
import type { RequestHead } from "./h1/request-head.ts";
import type { ResponseHead } from "./h1/response-head.ts";
import { writeRequestHead, writeResponseHead } from "./h1/write-head.ts";

export interface RequestChanges {
  readonly authority: string;
  readonly path: string;
  readonly headers: readonly HeaderChanges[];
  /** For requests that have none. */
  readonly requestId: () => string;
}

/** Throws FieldError when a change makes no field. Changes the head's fields: call once. */
export function requestHeadFor(head: RequestHead, changes: RequestChanges): Buffer {
  const { fields } = head;
  let { authority } = changes;
  if (changes.headers.length > 0) {
    changeHeaders(fields, changes.headers);
    // A filter may name another host, but neither framing nor the connection is its business.
    authority = takeConnectionFields(fields).host ?? authority;
  }
  if (!fields.has("x-request-id")) fields.add("x-request-id", changes.requestId());
  const upgrade = offeredUpgrade(head);
  const { method, framing, expectsContinue, trailersWanted } = head;
  return writeRequestHead({
    method,
    path: changes.path,
    authority,
    fields,
    framing,
    upgrade,
    expectsContinue,
    trailersWanted,
  });
}

/**
 * The protocol that the client may go over to. Not HTTP/2 or TLS: what would follow are requests that no route sees
 * (request smuggling by h2c upgrade).
 */
export function offeredUpgrade({ upgrade }: RequestHead): string | undefined {
  return upgrade === undefined || /(?:^|,)\s*(?:h2|http|tls)/i.test(upgrade) ? undefined : upgrade;
}

/** How a response reaches the client, which may know less of HTTP than the server. */
export interface ResponsePassage {
  readonly framing: Framing;
  readonly keepOpen: boolean;
}

/** `mayStayOpen`: everything else allows it. */
export function passageOf(request: RequestHead, response: ResponseHead, mayStayOpen: boolean): ResponsePassage {
  const { framing } = response;
  const body = bodyFor(request.minor, framing.body);
  const keepOpen = mayStayOpen && request.keepAlive && body !== "until-close";
  return { framing: body === framing.body ? framing : { body, length: undefined }, keepOpen };
}

export function responseHeadFor(
  request: RequestHead,
  response: ResponseHead,
  changes: readonly HeaderChanges[],
  { framing, keepOpen }: ResponsePassage,
): Buffer {
  const { status, reason, fields } = response;
  if (changes.length > 0) {
    changeHeaders(fields, changes, (value) => fields.add("set-cookie", value));
    takeConnectionFields(fields);
  }
  return writeResponseHead({
    status,
    reason,
    fields,
    framing,
    upgrade: response.upgrade,
    connection: connectionFor(request, keepOpen),
  });
}

/** What is said about the connection: nothing when the client expects it so. */
export function connectionFor(request: RequestHead, keepOpen: boolean): "close" | "keep-alive" | undefined {
  if (!keepOpen) return "close";
  return request.minor === 0 ? "keep-alive" : undefined;
}

/** HTTP/1.0 has no chunks; and a body that ends with the server's connection need not end ours. */
function bodyFor(minor: number, body: BodyKind): BodyKind {
  if (body !== "chunked" && body !== "until-close") return body;
  return minor === 1 ? "chunked" : "until-close";
}
