/** WebSockets over HTTP/2 (RFC 8441) with Node's HTTP/2 at both ends and `ws` on its streams, which opens none by itself. */
import { once } from "node:events";
import type { ClientHttp2Session, Http2Stream, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";

export interface OpenedWebSocket {
  readonly stream: Http2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly status: number;
  /** Only if it was accepted. */
  readonly socket: WebSocket;
}

/** What `ws` keeps to itself: how a socket becomes one after a handshake that was somebody else's. */
interface WebSocketInside {
  _isServer: boolean;
  setSocket(socket: Duplex, head: Buffer, options: object): void;
}

const MAX_FRAME_BYTES = 16 * 1024 * 1024;
const CLOSE_TIMEOUT_MS = 10_000;

/** Waits for the server to say that it takes them. */
export async function openWebSocket(
  session: ClientHttp2Session,
  path: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<OpenedWebSocket> {
  if (session.remoteSettings?.enableConnectProtocol !== true) await once(session, "remoteSettings");
  const head = { ":method": "CONNECT", ":protocol": "websocket", ":path": path, "sec-websocket-version": "13" };
  const stream = session.request({ ...head, ...fields });
  stream.on("error", () => {});
  const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
  return { stream, headers, status: Number(headers[":status"]), socket: webSocketOn(stream, false) };
}

export function acceptWebSocket(stream: ServerHttp2Stream): WebSocket {
  stream.respond({ ":status": 200 });
  return webSocketOn(stream, true);
}

function webSocketOn(stream: Http2Stream, isServer: boolean): WebSocket {
  const socket = new WebSocket(null as never, undefined, { autoPong: true, closeTimeout: CLOSE_TIMEOUT_MS } as never);
  const inside = socket as unknown as WebSocketInside;
  inside._isServer = isServer;
  inside.setSocket(stream, Buffer.alloc(0), { maxPayload: MAX_FRAME_BYTES, allowSynchronousEvents: true });
  return socket;
}
