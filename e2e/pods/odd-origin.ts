/**
 * Program of a pod: a server of a kind that Node's own is not. Usage: `node odd-origin.ts <kind> <port>`.
 *
 *   http10     HTTP/1.0: no length, no keep-alive, the body ends with the connection
 *   trailers   nothing but chunks, and a checksum behind them
 *   websocket  echoes every frame as it came; tells the code that the client closed with. At the next port over HTTP/2
 */
import { createHash } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { createServer } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { acceptWebSocket } from "./h2-websocket.ts";

const [kind = "", port = ""] = process.argv.slice(2);
/** Larger than what any buffer on the way holds, so that it flows. */
const BODY = Buffer.alloc(3 * 1024 * 1024, "0123456789abcdef");
const PART_BYTES = 100_000;
/** Of ws: larger than the largest frame of a story. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024;

if (kind === "http10") http10();
else if (kind === "trailers") trailers();
else websocket();

function http10(): void {
  const server = createServer((socket) => {
    socket.once("data", () => socket.end(Buffer.concat([Buffer.from("HTTP/1.0 200 OK\r\nX-Kind: old\r\n\r\n"), BODY])));
    socket.on("error", () => {});
  });
  server.listen(Number(port), "::");
}

function trailers(): void {
  createHttpServer((request, response) => {
    request.resume();
    response.writeHead(200, { trailer: "x-checksum" });
    for (let at = 0; at < BODY.length; at += PART_BYTES) response.write(BODY.subarray(at, at + PART_BYTES));
    response.addTrailers({ "x-checksum": createHash("sha256").update(BODY).digest("hex") });
    response.end();
  }).listen(Number(port), "::");
}

function websocket(): void {
  const server = new WebSocketServer({ port: Number(port), host: "::", maxPayload: MAX_FRAME_BYTES });
  let lastClose = "none";
  const serve = (socket: WebSocket, path: string | undefined): void => {
    if (path === "/last-close") {
      socket.send(lastClose);
      return;
    }
    socket.on("message", (data, binary) => socket.send(data, { binary }));
    socket.on("close", (code, reason) => (lastClose = `${code} ${reason.toString()}`));
  };
  server.on("connection", (socket, request) => serve(socket, request.url));
  const overH2 = createHttp2Server({ settings: { enableConnectProtocol: true } });
  overH2.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    serve(acceptWebSocket(stream), headers[":path"]);
  });
  overH2.listen(Number(port) + 1, "::");
}
