/**
 * Program run in a pod: makes HTTP requests over kept connections, several at a time, and prints as JSON what came of each,
 * in the order of their ends. Usage: `node http-requests.ts '<HttpRequests as JSON>'`.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { SeenRequest } from "./http-server.ts";

export interface HttpRequests {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A header whose value is the number of the request, from 0. */
  readonly numbered?: string;
  /** Default 1. */
  readonly requests?: number;
  /** At a time. Default 1. */
  readonly loops?: number;
  readonly pauseMs?: number;
  /** Each loop keeps the cookies that it is given, and sends them. */
  readonly cookies?: boolean;
}

export interface HttpOutcome {
  /** 0 when there was no answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** What the server saw; absent when the answer was not the server's. */
  readonly seen?: SeenRequest;
  readonly error?: string;
  /** From the request to the end of its answer. */
  readonly ms: number;
}

const asked = JSON.parse(process.argv[2] ?? "{}") as HttpRequests;
const { url, headers = {}, numbered, requests = 1, loops = 1, pauseMs = 0, cookies = false } = asked;
const agent = new Agent({ keepAlive: true, maxSockets: loops });
const outcomes: HttpOutcome[] = [];
let left = requests;

await Promise.all(Array.from({ length: loops }, loop));
agent.destroy();
process.stdout.write(JSON.stringify(outcomes));

async function loop(): Promise<void> {
  const jar = new Map<string, string>();
  while (left > 0) {
    left -= 1;
    const number = requests - left - 1;
    const beganMs = performance.now();
    const outcome = await ask(number, jar).catch((error: Error) => ({ status: 0, headers: {}, error: error.message }));
    outcomes.push({ ...outcome, ms: Math.round(performance.now() - beganMs) });
    if (pauseMs > 0) await delay(pauseMs);
  }
}

async function ask(number: number, jar: Map<string, string>): Promise<Omit<HttpOutcome, "ms">> {
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
  const more = numbered === undefined ? {} : { [numbered]: String(number) };
  const sent = cookie === "" ? { ...headers, ...more } : { ...headers, ...more, cookie };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { agent, headers: sent }, resolve).on("error", reject).end();
  });
  if (cookies) for (const line of response.headers["set-cookie"] ?? []) keep(jar, line);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const status = response.statusCode ?? 0;
  const outcome = { status, headers: response.headers as Record<string, string> };
  return response.headers["content-type"] === "application/json" ? { ...outcome, seen: JSON.parse(text) } : outcome;
}

function keep(jar: Map<string, string>, line: string): void {
  const [, name, value] = /^([^=;]+)=([^;]*)/.exec(line) ?? [];
  if (name !== undefined && value !== undefined) jar.set(name, value);
}
