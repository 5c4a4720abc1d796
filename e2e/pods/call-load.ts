/**
 * Program run in a pod: gRPC calls over one channel of grpc-js, and HTTP/2 requests over one connection, again and again,
 * until standard input ends. Prints a `CallRecord` as a line of JSON when one is over, and says when a connection of HTTP/2
 * was ended, and how. Usage: `node call-load.ts '<CallLoadOptions as JSON>'`.
 */
import { once } from "node:events";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import { credentials, Metadata, status } from "@grpc/grpc-js";
import { createEchoClient } from "./grpc-echo.ts";
import type { SeenRequest } from "./http-server.ts";

export interface CallLoadOptions {
  /** `host:port` */
  readonly grpc: string;
  readonly http2: string;
  /** Of each at once. */
  readonly loops: number;
  readonly pauseMs: number;
  readonly deadlineMs: number;
  /** Answers come after this. */
  readonly delayMs: number;
}

export interface CallRecord {
  readonly kind: "grpc" | "http2";
  /** `OK`, or what went wrong: `UNAVAILABLE: ...`, `502`, an error of the connection. */
  readonly outcome: string;
  /** Who answered. */
  readonly pod?: string;
  readonly startedMs: number;
  readonly endedMs: number;
}

/** A connection of HTTP/2 is over: announced by GOAWAY, or not. */
export interface SessionRecord {
  readonly kind: "session";
  readonly end: "goaway" | "cut";
}

type Outcome = Pick<CallRecord, "outcome" | "pod">;

const options = JSON.parse(process.argv[2] ?? "{}") as CallLoadOptions;
const client = createEchoClient(options.grpc, credentials.createInsecure());
let session: ClientHttp2Session | undefined;
let isOver = false;
process.stdin.resume().on("end", () => (isOver = true));

const loops = Array.from({ length: options.loops }, () => [loop("grpc", call), loop("http2", request)]);
await Promise.all(loops.flat());
client.close();
session?.close();

async function loop(kind: CallRecord["kind"], act: () => Promise<Outcome>): Promise<void> {
  while (!isOver) {
    const startedMs = Date.now();
    const outcome = await act().catch((error: Error) => ({ outcome: error.message }));
    write({ kind, ...outcome, startedMs, endedMs: Date.now() });
    await delay(options.pauseMs);
  }
}

async function call(): Promise<Outcome> {
  const deadline = Date.now() + options.deadlineMs;
  return await new Promise((resolve) => {
    client.unary({ text: "x", delayMs: options.delayMs }, new Metadata(), { deadline }, (error, answer) => {
      if (answer !== undefined) resolve({ outcome: "OK", pod: answer.pod });
      else resolve({ outcome: `${status[error?.code ?? status.UNKNOWN]}: ${error?.details ?? ""}` });
    });
  });
}

/** What is refused was not processed, and is sent again (RFC 9113 section 8.7): node:http2 itself refuses what crosses a GOAWAY. */
async function request(): Promise<Outcome> {
  return await requestOnce().catch(async (error: Error) => {
    if (!error.message.includes("NGHTTP2_REFUSED_STREAM")) throw error;
    return await requestOnce();
  });
}

async function requestOnce(): Promise<Outcome> {
  const stream = openSession().request({ ":path": "/" });
  const timer = setTimeout(() => stream.destroy(new Error("no answer in time")), options.deadlineMs);
  try {
    const [head] = (await once(stream, "response")) as [IncomingHttpHeaders];
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    const code = Number(head[":status"]);
    if (code !== 200) return { outcome: `${code} ${String(head["hawser-reason"] ?? "")}` };
    return { outcome: "OK", pod: (JSON.parse(Buffer.concat(chunks).toString()) as SeenRequest).pod };
  } finally {
    clearTimeout(timer);
  }
}

/** A connection that the other side has ended, or wants to end, is replaced, as any client does. */
function openSession(): ClientHttp2Session {
  if (session !== undefined && !session.closed && !session.destroyed) return session;
  const opened = connect(`http://${options.http2}`);
  let end: SessionRecord["end"] = "cut";
  opened.on("goaway", () => (end = "goaway"));
  opened.on("error", () => {});
  opened.on("close", () => {
    if (!isOver) write({ kind: "session", end });
  });
  session = opened;
  return opened;
}

function write(record: CallRecord | SessionRecord): void {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}
