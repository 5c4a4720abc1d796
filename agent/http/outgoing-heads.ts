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
import type { RequestHead } from "./request-head.ts";
import type { ResponseHead } from "./response-head.ts";

export interface RequestChanges {
  readonly authority: string;
  readonly path: string;
  readonly requestHeaders: readonly HeaderChanges[];
}

/** As below, with an id: `requestId` makes one for those without. */
export function outgoingRequest(head: RequestHead, changes: RequestChanges, requestId: () => string): RequestHead {
  const outgoing = changedRequest(head, changes);
  identify(outgoing, requestId);
  return outgoing;
}

/** Throws FieldError when a change makes no field. Changes the head's fields: call once. */
export function changedRequest(head: RequestHead, changes: RequestChanges): RequestHead {
  const { version, method, scheme, fields, hasBody, length, expectsContinue, trailersWanted } = head;
  let { authority } = changes;
  if (changes.requestHeaders.length > 0) {
    changeHeaders(fields, changes.requestHeaders);
    // A filter may name another host, but neither framing nor the connection is its business.
    authority = takeConnectionFields(fields).host ?? authority;
  }
  const { path } = changes;
  const upgrade = offeredUpgrade(head);
  return {
    version,
    method,
    scheme,
    authority,
    path,
    fields,
    hasBody,
    length,
    upgrade,
    expectsContinue,
    trailersWanted,
  };
}

/** The last thing that is done to a request, and what no two have in common. */
export function identify({ fields }: RequestHead, requestId: () => string): void {
  if (!fields.has("x-request-id")) fields.addParsed("x-request-id", requestId());
}

/** Throws as above. Changes the head's fields. */
export function outgoingResponse(response: ResponseHead, changes: readonly HeaderChanges[]): ResponseHead {
  const { fields } = response;
  if (changes.length > 0) {
    changeHeaders(fields, changes, (value) => fields.add("set-cookie", value));
    takeConnectionFields(fields);
  }
  return response;
}

/**
 * The protocol that the client may go over to. Not HTTP/2 or TLS: what would follow are requests that no route sees
 * (request smuggling by h2c upgrade).
 */
function offeredUpgrade({ upgrade }: RequestHead): string | undefined {
  return upgrade === undefined || /(?:^|,)\s*(?:h2|http|tls)/i.test(upgrade) ? undefined : upgrade;
}
