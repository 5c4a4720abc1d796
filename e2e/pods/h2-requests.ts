/**
 * Program run in a pod: makes HTTP/2 requests over one connection with prior knowledge, several at a time, and prints as
 * JSON what came of each. Usage: `node h2-requests.ts '<HttpRequests as JSON>'`.
 */
import { once } from "node:events";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import type { HttpOutcome, HttpRequests } from "./http-requests.ts";

const { url, headers = {}, requests = 1, loops = 1, pauseMs = 0 } = JSON.parse(process.argv[2] ?? "{}") as HttpRequests;
const { origin, pathname, search } = new URL(url);
let session = connect(origin);
const outcomes: HttpOutcome[] = [];
let left = requests;

await Promise.all(Array.from({ length: loops }, loop));
session.close();
process.stdout.write(JSON.stringify(outcomes));

async function loop(): Promise<void> {
  while (left > 0) {
    left -= 1;
    const startedMs = performance.now();
    const answer = await ask().catch((error: Error) => ({ status: 0, headers: {}, error: error.message }));
    outcomes.push({ ...answer, ms: performance.now() - startedMs });
    if (pauseMs > 0) await delay(pauseMs);
  }
}

/** A connection that the other side has ended is replaced, as any client does. */
function openSession(): ClientHttp2Session {
  if (session.closed || session.destroyed) session = connect(origin);
  return session;
}

async function ask(): Promise<Omit<HttpOutcome, "ms">> {
  const stream = openSession().request({ ...headers, ":path": `${pathname}${search}` });
  stream.end();
  const [head] = (await once(stream, "response")) as [IncomingHttpHeaders];
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const outcome = { status: Number(head[":status"]), headers: head as Record<string, string> };
  return head["content-type"] === "application/json" ? { ...outcome, seen: JSON.parse(text) } : outcome;
}
