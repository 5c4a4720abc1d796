/**
 * The servers of a soak, one for each protocol. Usage: `node soak-server.ts <HTTP/1.1 port> <HTTP/2 port> <gRPC port>`.
 *
 * Those of HTTP answer every request, after its body, with the number of bytes that it had; one for a path with `slow` in it after
 * a while, and one for a path with `large` in it with as many bytes as a reader may leave in the middle of.
 */
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { Readable, type Writable } from "node:stream";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { soakCalls, soakService } from "./soak-grpc.ts";

/** Longer than the client waits before it gives up. */
const SLOW_MS = 1_000;
/** Told to clients, or done, so that they, and agents, let idle connections go. */
const KEEP_ALIVE_MS = 5_000;
/** By parts: what readers left unsent in one piece would count against Node's bound on a connection's memory for ever. */
const LARGE = Array<Buffer>(64).fill(Buffer.alloc(16 * 1024, "x"));

const [http1Port, http2Port, grpcPort] = process.argv.slice(2).map(Number);

const grpc = new Server({ "grpc.max_connection_idle_ms": KEEP_ALIVE_MS });
grpc.addService(soakService, soakCalls(SLOW_MS));
grpc.bindAsync(`[::]:${grpcPort}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});

const http2 = createHttp2Server(answer);
http2.on("session", (session) => session.setTimeout(KEEP_ALIVE_MS, () => session.close()));
http2.listen(http2Port, "::");

// The last: readiness is asked of its port.
const http1 = createServer(answer);
http1.keepAliveTimeout = KEEP_ALIVE_MS;
http1.listen(http1Port, "::");

/** What is the same in requests and answers of either version. */
type Asked = Readable & { readonly url?: string | undefined };
type Answering = Writable & { writeHead(status: number, headers: Readonly<Record<string, string>>): unknown };

function answer(request: Asked, response: Answering): void {
  const { url = "" } = request;
  let bytes = 0;
  request.on("data", (chunk: Buffer) => (bytes += chunk.length));
  request.on("end", () => {
    const send = (): void => {
      response.writeHead(200, { "content-type": "text/plain" });
      if (url.includes("large")) Readable.from(LARGE).pipe(response);
      else response.end(`${bytes}\n`);
    };
    if (url.includes("slow")) setTimeout(send, SLOW_MS);
    else send();
  });
  // Clients that leave in the middle are a part of it.
  request.on("error", () => {});
  response.on("error", () => {});
}
