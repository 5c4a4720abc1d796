/**
 * The traffic of HTTP/1.1 of a soak that wrk does not make: bodies, clients that leave in the middle, requests sent ahead. Prints
 * how many of each there were, and of each error, as JSON. Usage: `node soak-client.ts <host> <port> <seconds>`.
 */
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { runSoakKinds, type SoakLoop } from "./soak-kinds.ts";

const [host = "", port = "", seconds = ""] = process.argv.slice(2);
const LARGEST_BODY_BYTES = 256 * 1024;
/** What of a body is sent before the client leaves. */
const PART_BYTES = 2_000;
const LEAVES_AFTER_MS = 20;
const AHEAD = 8;
const body = Buffer.alloc(LARGEST_BODY_BYTES, "x");

const counts = await runSoakKinds(
  [
    { name: "bodies", loops: 4, begin: () => posts("/upload", "length") },
    { name: "chunkedBodies", loops: 2, begin: () => posts("/app/upload", "chunked") },
    {
      name: "leftWaiting",
      loops: 4,
      begin: () => ({ act: () => leave(`GET /app/slow HTTP/1.1\r\nhost: soak\r\n\r\n`) }),
    },
    {
      name: "leftSending",
      loops: 2,
      begin: () => ({
        act: () => leave(`POST /app HTTP/1.1\r\nhost: soak\r\ncontent-length: 100000\r\n\r\n${"x".repeat(PART_BYTES)}`),
      }),
    },
    { name: "sentAhead", loops: 1, begin: () => ({ act: sendAhead }) },
  ],
  Number(seconds),
);
console.log(JSON.stringify(counts));

function posts(path: string, framing: "length" | "chunked"): SoakLoop {
  const agent = new Agent({ keepAlive: true });
  return { act: () => post(path, framing, agent), end: () => agent.destroy() };
}

async function post(path: string, framing: "length" | "chunked", agent: Agent): Promise<void> {
  const bytes = Math.floor(Math.random() * LARGEST_BODY_BYTES);
  const headers = framing === "length" ? { "content-length": bytes } : {};
  const asked = request({ host, port, path, method: "POST", headers, agent });
  asked.end(body.subarray(0, bytes));
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  answer.resume();
  await once(answer, "end");
  if (answer.statusCode !== 200)
    throw new Error(`answer ${answer.statusCode} ${String(answer.headers["hawser-reason"] ?? "")}`);
}

/** Sends, and is gone before there can be an answer. */
async function leave(text: string): Promise<void> {
  const socket = connect({ host, port: Number(port) });
  let error: Error | undefined;
  await once(socket, "connect");
  socket.on("error", (lost: Error) => (error ??= lost));
  socket.write(text);
  await delay(LEAVES_AFTER_MS * Math.random());
  if (error !== undefined) throw error;
  if (Math.random() < 0.5) socket.resetAndDestroy();
  else socket.destroy();
  await once(socket, "close");
}

async function sendAhead(): Promise<void> {
  const socket = connect({ host, port: Number(port) });
  const last = `GET /last HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n\r\n`;
  socket.write(`GET /ahead HTTP/1.1\r\nhost: soak\r\n\r\n`.repeat(AHEAD - 1) + last);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  await once(socket, "close");
  if (text.split("HTTP/1.1 200").length - 1 !== AHEAD) throw new Error("answers are missing");
}
