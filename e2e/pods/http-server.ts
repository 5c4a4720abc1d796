/**
 * Program of a pod: answers every HTTP request with its own name and the request as it came, as JSON; one for a path with
 * `slow` in it after five seconds. Usage: `node http-server.ts <port>`.
 */
import { createServer } from "node:http";

export interface SeenRequest {
  readonly pod: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly client: string;
}

/** Longer than any timeout of a story. */
const SLOW_MS = 5_000;

const pod = process.env["POD_NAME"] ?? "unknown";

createServer((request, response) => {
  const { method = "", url = "", headers, socket } = request;
  const client = socket.remoteAddress?.replace(/^::ffff:/, "") ?? "";
  const body = JSON.stringify({ pod, method, url, headers, client });
  request.resume();
  setTimeout(
    () => response.writeHead(200, { "content-type": "application/json" }).end(body),
    url.includes("slow") ? SLOW_MS : 0,
  );
}).listen(Number(process.argv[2]), "::");
