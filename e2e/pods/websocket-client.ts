/**
 * Program run in a pod: speaks WebSocket with an echo server, frames of all sizes one after the other and then all at once,
 * and closes with a code of its own. Prints as JSON what came back. Usage: `node websocket-client.ts <url> [h2]`, which opens them
 * over HTTP/2.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { type RawData, WebSocket } from "ws";
import { openWebSocket } from "./h2-websocket.ts";

export interface WebSocketOutcome {
  /** Frames that came back as they were sent. */
  readonly echoed: number;
  readonly sent: number;
  readonly pongs: number;
  /** What the server has heard of the end. */
  readonly serverClose: string;
}

/** Lengths are coded in three ways (RFC 6455 section 5.2): up to 125, up to 65,535, and beyond. */
const SIZES = [0, 1, 125, 126, 65_535, 65_536, 1_000_000, 4_000_000];
const CLOSE_CODE = 4_001;
const OK = 200;

const [url = "", version] = process.argv.slice(2);
const session = version === "h2" ? connectHttp2(new URL(url.replace(/^ws:/, "http:")).origin) : undefined;
const client = await connect(url);
let echoed = 0;
let sent = 0;
for (const size of SIZES) {
  const frame = randomBytes(size);
  client.socket.send(frame);
  sent += 1;
  if (frame.equals(await client.next())) echoed += 1;
}
const frames = SIZES.map((size) => randomBytes(size));
for (const frame of frames) client.socket.send(frame);
sent += frames.length;
for (const frame of frames) if (frame.equals(await client.next())) echoed += 1;
client.socket.ping("are you there");
await once(client.socket, "pong");
client.socket.close(CLOSE_CODE, "enough");
await once(client.socket, "close");
const serverClose = (await (await connect(new URL("/last-close", url).href)).next()).toString();
process.stdout.write(JSON.stringify({ echoed, sent, pongs: 1, serverClose } satisfies WebSocketOutcome));
process.exit();

/** Frames are kept from the beginning on: the first may come with the answer to the upgrade. */
async function connect(to: string): Promise<{ readonly socket: WebSocket; next(): Promise<Buffer> }> {
  const opened = session === undefined ? undefined : await openWebSocket(session, new URL(to).pathname);
  const socket = opened?.socket ?? new WebSocket(to, { perMessageDeflate: false });
  const inbox: Buffer[] = [];
  socket.on("message", (data: RawData) => {
    inbox.push(data as Buffer);
    socket.emit("kept");
  });
  if (opened === undefined) await once(socket, "open");
  else if (opened.status !== OK) throw new Error(`No WebSocket, but status ${opened.status}`);
  const next = async (): Promise<Buffer> => {
    while (inbox.length === 0) await once(socket, "kept");
    return inbox.shift() as Buffer;
  };
  return { socket, next };
}
