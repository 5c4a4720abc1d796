/**
 * A server of placed requests, in either version of HTTP. Answers when it has the whole request; those that are to be retried
 * only the second time. In HTTP/1.1 it also goes over to conversations of bytes.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import type { TearsDown } from "../http-origin.ts";
import type { Moods } from "./moods.ts";
import { pathOf, requestOf, streamsOf } from "./placed-requests.ts";
import { hearPlaced, sayPlaced } from "./placed-stream.ts";

export interface PlacedOriginOptions {
  readonly version: 1 | 2;
  readonly moods: Moods;
  /** What was wrong with a request is told here. */
  readonly problems: string[];
  /** HTTP/1.1: a connection is to be one of bytes. */
  readonly onUpgrade?: (path: string, socket: Socket) => void;
}

/** Undefined: nobody is there any more. */
type Respond = (status: number, length: number | undefined) => Writable | undefined;

/** Resolves with its port. */
export async function placedOrigin(t: TearsDown, options: PlacedOriginOptions): Promise<number> {
  const failed = new Set<number>();
  const answer = (path: string, body: Readable, respond: Respond): void => {
    void answerRequest(options, failed, path, body, respond);
  };
  const server = options.version === 1 ? http1Server(options, answer) : http2Server(answer);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

type Answer = (path: string, body: Readable, respond: Respond) => void;

function http1Server({ onUpgrade }: PlacedOriginOptions, answer: Answer): Server {
  const server = createServer((request, response) => {
    response.on("error", () => {});
    answer(request.url ?? "", request, (status, length) => {
      return response.writeHead(status, length === undefined ? {} : { "content-length": length });
    });
  });
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.unshift(head);
    onUpgrade?.(request.url ?? "", socket);
  });
  return server;
}

function http2Server(answer: Answer): Server {
  const server = createHttp2Server();
  server.on("session", (session) => session.on("error", () => {}));
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => {});
    answer(headers[":path"] ?? "", stream, (status, length) => {
      if (stream.destroyed || stream.closed) return undefined;
      stream.respond({ ":status": status, ...(length === undefined ? {} : { "content-length": length }) });
      return stream;
    });
  });
  return server;
}

async function answerRequest(
  { moods, problems }: PlacedOriginOptions,
  failed: Set<number>,
  path: string,
  body: Readable,
  respond: Respond,
): Promise<void> {
  const request = requestOf(path);
  const { number, kind, up, down, isChunked } = request;
  const streams = streamsOf(request);
  const { wrong, isWhole } = await hearPlaced(body, moods, streams.up, up);
  if (wrong !== undefined) problems.push(`request ${pathOf(request)}: ${wrong}`);
  // Its client has left, or another try was answered.
  if (!isWhole) return;
  const isRefused = kind === "retried" && !failed.has(number);
  failed.add(number);
  const answer = isRefused ? respond(503, 0) : respond(200, isChunked ? undefined : down);
  if (answer !== undefined) await sayPlaced(answer, moods, streams.down, isRefused ? 0 : down);
}
