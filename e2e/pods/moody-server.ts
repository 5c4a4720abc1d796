/**
 * Program of a pod: an HTTP server that answers with its own name, counts what it is asked, and behaves as it was last told:
 *
 *   /_mood?every=10&delayMs=400&status=503   every tenth request comes late, or fails; without `every`, each of them
 *          &retryAfter=3                     and asks to be left alone for three seconds
 *   /_counts                                 requests by path since the last time, as JSON
 *
 * Usage: `node moody-server.ts <port>`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { SeenRequest } from "./http-server.ts";

interface Mood {
  readonly every: number;
  readonly delayMs: number;
  readonly status: number;
  /** 0: it does not ask. */
  readonly retryAfter: number;
}

const GOOD: Mood = { every: 1, delayMs: 0, status: 200, retryAfter: 0 };

const pod = process.env["POD_NAME"] ?? "unknown";
let mood = GOOD;
let counts: Record<string, number> = {};
let asked = 0;

createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://here");
  if (url.pathname === "/_mood") {
    mood = { ...GOOD, ...Object.fromEntries([...url.searchParams].map(([key, value]) => [key, Number(value)])) };
    response.end();
  } else if (url.pathname === "/_counts") {
    response.end(JSON.stringify(counts));
    counts = {};
  } else answer(request, response, url.pathname);
}).listen(Number(process.argv[2]), "::");

function answer(request: IncomingMessage, response: ServerResponse, path: string): void {
  counts[path] = (counts[path] ?? 0) + 1;
  asked += 1;
  const { delayMs, status, retryAfter } = asked % mood.every === 0 ? mood : GOOD;
  const { method = "", url = "", headers, socket } = request;
  const seen = { pod, method, url, headers, client: socket.remoteAddress ?? "" } as SeenRequest;
  const write = (): void => {
    if (retryAfter > 0) response.setHeader("retry-after", retryAfter);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(seen));
  };
  request.resume();
  if (delayMs === 0) write();
  else setTimeout(write, delayMs);
}
