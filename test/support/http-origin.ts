/** Origins: node:http servers, and raw ones whose every byte the test writes. */
import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** A test, or whoever else ends. */
export interface TearsDown {
  teardown(close: () => void): void;
}

export interface Origin {
  readonly port: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  readonly open: ReadonlySet<Socket>;
  /** Before the test's end, when it dies. */
  close(): void;
}

/** A node:http server. Answers with method, path and body as JSON unless told otherwise. */
export async function httpOrigin(
  t: TearsDown,
  listener: RequestListener = echo,
): Promise<Origin & { readonly server: HttpServer }> {
  const server = createHttpServer({ keepAliveTimeout: 30_000 }, listener);
  const origin = await listenAs(t, server);
  return Object.assign(origin, { server });
}

/** A server that speaks what `onConnection` writes. */
export async function rawOrigin(t: TearsDown, onConnection: (socket: Socket, index: number) => void): Promise<Origin> {
  const server = createServer({ noDelay: true, allowHalfOpen: true });
  const origin = await listenAs(t, server);
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    onConnection(socket, origin.accepted - 1);
  });
  return origin;
}

/** Answers every request head (its bodies are nobody's) with `text`. */
export function answering(text: string | ((count: number) => string)): (socket: Socket) => void {
  return (socket) => {
    let seen = "";
    let count = 0;
    socket.on("data", (chunk: Buffer) => {
      seen += chunk.toString("latin1");
      for (let end = seen.indexOf("\r\n\r\n"); end !== -1; end = seen.indexOf("\r\n\r\n")) {
        seen = seen.slice(end + 4);
        socket.write(typeof text === "string" ? text : text(count));
        count += 1;
      }
    });
    socket.on("end", () => socket.end());
  };
}

export const echo: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { method, url, headers, rawTrailers: trailers } = request;
    const body = Buffer.concat(chunks).toString("latin1");
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method, url, headers, trailers, body }));
  });
};

async function listenAs(t: TearsDown, server: Server): Promise<Origin> {
  const open = new Set<Socket>();
  let accepted = 0;
  server.on("connection", (socket: Socket) => {
    accepted += 1;
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    for (const socket of open) socket.destroy();
  };
  t.teardown(close);
  return {
    port,
    get accepted() {
      return accepted;
    },
    open,
    close,
  };
}
