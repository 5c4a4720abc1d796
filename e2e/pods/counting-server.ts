/**
 * Program of a pod: an HTTP server that counts what it is asked, and behaves as it was last told:
 *
 *   /_behave?status=500&delayMs=200   answers so from now on
 *   /_counts                          as JSON, and begins anew
 *   /sized/1000  /chunked/1000        so many bytes, announced or not
 *
 * Usage: `node counting-server.ts <port>`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export interface ServerCounts {
  readonly requests: number;
  /** Most requests that were here at the same time. */
  readonly atOnce: number;
}

const NORMAL = { status: 200, delayMs: 0 };

let behaviour = NORMAL;
let requests = 0;
let present = 0;
let atOnce = 0;

createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://here");
  if (url.pathname === "/_behave") {
    const told = Object.fromEntries([...url.searchParams].map(([key, value]) => [key, Number(value)]));
    behaviour = { ...NORMAL, ...told };
    response.end();
  } else if (url.pathname === "/_counts") {
    const counts: ServerCounts = { requests, atOnce };
    requests = 0;
    atOnce = present;
    response.end(JSON.stringify(counts));
  } else serve(request, response, url.pathname);
}).listen(Number(process.argv[2]), "::");

function serve(request: IncomingMessage, response: ServerResponse, path: string): void {
  requests += 1;
  present += 1;
  atOnce = Math.max(atOnce, present);
  response.once("close", () => (present -= 1));
  request.resume();
  const { status, delayMs } = behaviour;
  setTimeout(() => answer(response, path, status), delayMs);
}

function answer(response: ServerResponse, path: string, status: number): void {
  const [, kind = "", bytes = "0"] = path.split("/");
  const body = Buffer.alloc(kind === "sized" || kind === "chunked" ? Number(bytes) : 2, "x");
  response.writeHead(status, kind === "chunked" ? {} : { "content-length": body.length });
  response.write(body);
  response.end();
}
