/**
 * Program run in a pod: asks a server so many times a second, whatever it answers, and prints as JSON how often which
 * status came in each second of the clock that all pods share. Usage: `node steady-requests.ts '<SteadyRequests as JSON>'`.
 */
import { Agent, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

export interface SteadyRequests {
  readonly url: string;
  readonly perSecond: number;
  readonly seconds: number;
}

/** Second since 1970 -> status (`error` for none) -> how often. */
export type StatusesBySecond = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Requests at a time: a server of this machine answers in milliseconds. */
const CONNECTIONS = 16;
const STEP_MS = 5;

const { url, perSecond, seconds } = JSON.parse(process.argv[2] ?? "{}") as SteadyRequests;
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const statuses: Record<string, Record<string, number>> = {};
const beganMs = performance.now();
let sent = 0;
let open = 0;

for (;;) {
  const passedMs = Math.min(performance.now() - beganMs, seconds * 1_000);
  for (; sent < (passedMs * perSecond) / 1_000; sent += 1) if (open < CONNECTIONS) ask();
  if (passedMs >= seconds * 1_000) break;
  await delay(STEP_MS);
}
while (open > 0) await delay(STEP_MS);
agent.destroy();
process.stdout.write(JSON.stringify(statuses));

function ask(): void {
  open += 1;
  request(url, { agent }, (response) => {
    response.resume();
    response.once("close", () => count(String(response.statusCode)));
  })
    .once("error", () => count("error"))
    .end();
}

function count(status: string): void {
  open -= 1;
  const second = Math.floor(Date.now() / 1_000);
  const counts = (statuses[second] ??= {});
  counts[status] = (counts[status] ?? 0) + 1;
}
