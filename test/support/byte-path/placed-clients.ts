/** Clients of placed requests: of HTTP/1.1, several ahead of their answers; of HTTP/2, several beside each other. */
import { once } from "node:events";
import { connect } from "node:http2";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { HttpWorld } from "../http-world.ts";
import { parseWithNode } from "../node-parser.ts";
import type { Moods } from "./moods.ts";
import { PlacedBytes } from "./placed-bytes.ts";
import { type PlacedRequest, pathOf, streamsOf } from "./placed-requests.ts";
import { hearPlaced, sayPlaced } from "./placed-stream.ts";

const MOST_PIECE_BYTES = 256 * 1024;
const MOST_CHUNK_BYTES = 64 * 1024;
const PAUSE_MS = 20;
/** After this some have enough. */
const LEAVES_MS = 150;

/** What was wrong with the answers. */
export async function askInHttp1(
  world: HttpWorld,
  moods: Moods,
  requests: readonly PlacedRequest[],
): Promise<string[]> {
  const socket = await world.connect();
  const answers: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => {
    answers.push(chunk);
    if (!moods.chance(0.1)) return;
    socket.pause();
    setTimeout(() => socket.resume(), moods.random() * PAUSE_MS);
  });
  const closed = new Promise((resolve) => {
    socket.once("close", resolve);
  });
  socket.once("end", () => socket.end());
  const leaves = moods.chance(0.15);
  if (leaves) setTimeout(() => socket.destroy(), moods.random() * LEAVES_MS);
  await sendAll(
    socket,
    moods,
    Buffer.concat(requests.map((each, index) => write(moods, each, index === requests.length - 1))),
  );
  await closed;
  return judgeAnswers(requests, Buffer.concat(answers), !leaves);
}

export async function askInHttp2(
  world: HttpWorld,
  moods: Moods,
  requests: readonly PlacedRequest[],
): Promise<string[]> {
  const session = connect(world.url);
  session.on("error", () => {});
  await once(session, "connect");
  const problems = await Promise.all(
    requests.map(async (request) => {
      const stream = session.request(fieldsOf(request), { endStream: request.kind === "shared" });
      stream.on("error", () => {});
      let status: number | undefined;
      stream.once("response", (headers) => {
        status = headers[":status"];
      });
      const streams = streamsOf(request);
      const leaves = moods.chance(0.15);
      if (leaves) void sleep(moods.random() * LEAVES_MS).then(() => stream.close(8));
      if (request.kind !== "shared") void sayPlaced(stream, moods, streams.up, request.up);
      const { wrong, isWhole } = await hearPlaced(stream, moods, streams.down, request.down);
      if (wrong !== undefined) return [`answer to ${pathOf(request)}: ${status}, ${wrong}`];
      return leaves || (isWhole && status === 200) ? [] : [`answer to ${pathOf(request)}: ${status}, not whole`];
    }),
  );
  session.destroy();
  return problems.flat();
}

function fieldsOf({ kind, up, isChunked, ...request }: PlacedRequest): Record<string, string> {
  const path = { ":path": pathOf({ kind, up, isChunked, ...request }) };
  if (kind === "shared") return { ":method": "GET", ...path };
  return { ":method": "PUT", ...path, ...(isChunked ? {} : { "content-length": `${up}` }) };
}

async function sendAll(socket: Socket, moods: Moods, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length && !socket.destroyed; ) {
    await moods.pause(PAUSE_MS);
    const piece = bytes.subarray(at, at + moods.upTo(MOST_PIECE_BYTES));
    at += piece.length;
    socket.write(piece);
  }
}

function write(moods: Moods, request: PlacedRequest, isLast: boolean): Buffer {
  const { kind, up, isChunked } = request;
  const lines = [`${kind === "shared" ? "GET" : "PUT"} ${pathOf(request)} HTTP/1.1`, "Host: catalog"];
  if (isLast) lines.push("Connection: close");
  if (kind !== "shared") lines.push(isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${up}`);
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
  const body = new PlacedBytes(streamsOf(request).up).slice(0, up);
  if (kind === "shared") return head;
  return Buffer.concat([head, isChunked ? chunked(moods, body) : body]);
}

function chunked(moods: Moods, body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const content = body.subarray(at, at + moods.upTo(MOST_CHUNK_BYTES));
    at += content.length;
    parts.push(Buffer.from(`${content.length.toString(16)}\r\n`), content, Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

function judgeAnswers(requests: readonly PlacedRequest[], bytes: Buffer, isWhole: boolean): string[] {
  const messages = parseWithNode("response", bytes);
  return requests.flatMap((request, index) => {
    const message = messages[index];
    const what = `answer to ${pathOf(request)}, number ${index + 1} of ${requests.length}`;
    if (message === undefined) return isWhole ? [`${what}: none`] : [];
    const wrong = new PlacedBytes(streamsOf(request).down).firstWrong(message.body, 0);
    if (message.status === 200 && wrong !== undefined) return [`${what}: byte ${wrong} is not what was said`];
    const isComplete = message.status === 200 && message.isComplete && message.body.length === request.down;
    return isComplete || !isWhole ? [] : [`${what}: ${message.status}, ${message.body.length} bytes`];
  });
}
