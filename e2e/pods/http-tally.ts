/**
 * Program run in a pod: makes many HTTP requests, several at a time, and prints as JSON who answered how many and what failed.
 * Usage: `node http-tally.ts '<HttpTally as JSON>'`.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { SeenRequest } from "./http-server.ts";

export interface HttpTally {
  readonly url: string;
  readonly requests: number;
  /** At a time. Default 1. */
  readonly loops?: number;
  readonly pauseMs?: number;
  /** Each over a connection of its own. */
  readonly fresh?: boolean;
}

export interface TallyResult {
  /** Pod -> answers with 200. */
  readonly pods: Readonly<Record<string, number>>;
  /** `503`, `ECONNRESET` and so on -> how many. */
  readonly failures: Readonly<Record<string, number>>;
  readonly ms: number;
}

const { url, requests, loops = 1, pauseMs = 0, fresh = false } = JSON.parse(process.argv[2] ?? "{}") as HttpTally;
const agent = new Agent({ keepAlive: !fresh, maxSockets: loops });
const pods: Record<string, number> = {};
const failures: Record<string, number> = {};
let left = requests;

const beganMs = performance.now();
await Promise.all(Array.from({ length: loops }, loop));
agent.destroy();
const result: TallyResult = { pods, failures, ms: Math.round(performance.now() - beganMs) };
process.stdout.write(JSON.stringify(result));

async function loop(): Promise<void> {
  while (left > 0) {
    left -= 1;
    await ask().catch((error: NodeJS.ErrnoException) => count(failures, error.code ?? error.message));
    if (pauseMs > 0) await delay(pauseMs);
  }
}

async function ask(): Promise<void> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { agent }, resolve).on("error", reject).end();
  });
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  if (response.statusCode !== 200) count(failures, String(response.statusCode));
  else count(pods, (JSON.parse(Buffer.concat(chunks).toString()) as SeenRequest).pod);
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
