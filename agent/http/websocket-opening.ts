/**
 * How a WebSocket opens: an Upgrade in HTTP/1.1 (RFC 6455 section 4), an extended CONNECT in HTTP/2 (RFC 8441 section 5). In between,
 * where requests are decided and carried, it has the form of HTTP/1.1, so that routes and policies see the same request in both:
 *
 *   HTTP/2 client                    in between                      HTTP/2 endpoint
 *   CONNECT, :protocol --openingOf-> GET, upgrade, key --connectOf-> CONNECT, :protocol
 *   200 <-----------connectedFields- 101, accept <------switchedBy- 2xx
 */
import { createHash, randomBytes } from "node:crypto";
import type { RequestMessage } from "../http2/request-stream.ts";
import type { Fields } from "./fields.ts";
import type { RequestHead } from "./request-head.ts";
import type { ResponseHead } from "./response-head.ts";

const PROTOCOL = "websocket";
const KEY = "sec-websocket-key";
const ACCEPT = "sec-websocket-accept";
/** RFC 6455 section 4.1. */
const KEY_BYTES = 16;
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const SWITCHING_PROTOCOLS = 101;

/** Whether a client of HTTP/2 opens one; CONNECT to any other protocol is a tunnel that nobody offers. */
export function opensWebSocket({ protocol }: RequestMessage): boolean {
  return protocol === PROTOCOL;
}

/** The head of a CONNECT that opens one. Changes its fields. */
export function openingOf(request: RequestMessage): RequestHead {
  const { scheme, authority, path, fields } = request;
  fields.set(KEY, randomBytes(KEY_BYTES).toString("base64"));
  return {
    version: 2,
    method: "GET",
    scheme: scheme === "https" ? "https" : "http",
    authority,
    path,
    fields,
    hasBody: false,
    length: undefined,
    upgrade: PROTOCOL,
    expectsContinue: false,
    trailersWanted: false,
  };
}

/** Whether it can be asked for in either version. An Upgrade without a key is somebody's own protocol, and stays what it is. */
export function isOpening({ method, upgrade, hasBody, fields }: RequestHead): boolean {
  return upgrade !== undefined && upgrade.toLowerCase() === PROTOCOL && method === "GET" && !hasBody && fields.has(KEY);
}

/** As an endpoint is asked that speaks HTTP/2. */
export function connectOf(head: RequestHead): RequestMessage {
  const fields = head.fields.copy();
  fields.delete(KEY);
  return { ...head, method: "CONNECT", protocol: PROTOCOL, fields, length: undefined, expectsContinue: false };
}

/** What such an endpoint's 2xx means to whoever has sent `head`. Changes the fields. */
export function switchedBy(fields: Fields, head: RequestHead): ResponseHead {
  fields.set(ACCEPT, acceptOf(head));
  return {
    status: SWITCHING_PROTOCOLS,
    reason: undefined,
    fields,
    hasBody: false,
    length: undefined,
    upgrade: PROTOCOL,
  };
}

/** The fields of a 101, for a client of HTTP/2. Changes them. */
export function connectedFields({ fields }: ResponseHead): Fields {
  fields.delete(ACCEPT);
  return fields;
}

/**
 * Whether the answer says what becomes of an upgrade. Not only a 101 does: a client of HTTP/2 would take any 2xx for the
 * beginning of its WebSocket.
 */
export function settlesUpgrade({ version, upgrade }: RequestHead, status: number): boolean {
  return status === SWITCHING_PROTOCOLS || (version === 2 && upgrade !== undefined && isSuccess(status));
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/** Whether a 101 accepts what was offered. A client of HTTP/1.1 checks the key's answer by itself: the key is its own. */
export function acceptsUpgrade(offered: RequestHead | undefined, { status, upgrade, fields }: ResponseHead): boolean {
  if (offered?.upgrade === undefined || upgrade === undefined || status !== SWITCHING_PROTOCOLS) return false;
  if (offered.version === 1) return true;
  return upgrade.toLowerCase() === PROTOCOL && fields.get(ACCEPT) === acceptOf(offered);
}

/** RFC 6455 section 4.2.2. */
function acceptOf({ fields }: RequestHead): string {
  return createHash("sha1")
    .update(`${fields.get(KEY) ?? ""}${ACCEPT_GUID}`)
    .digest("base64");
}
