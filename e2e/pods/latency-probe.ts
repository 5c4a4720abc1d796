/**
 * Program run in a pod: small messages at a steady pace over a few connections to an echo server; how long each took
 * to come back. Prints a `LatencyProbeResult` as JSON. Usage: `node latency-probe.ts '<options as JSON>'`.
 */
import { once } from "node:events";
import { createConnection } from "node:net";

export interface LatencyProbeOptions {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly messageBytes: number;
  readonly intervalMs: number;
  readonly seconds: number;
}

export interface LatencyProbeResult {
  /** Unix time of sending, and the round trip, both in milliseconds. */
  readonly samples: readonly (readonly [atMs: number, roundTripMs: number])[];
}

const options = JSON.parse(process.argv[2] ?? "{}") as LatencyProbeOptions;
const samples: [number, number][] = [];
const endMs = Date.now() + options.seconds * 1000;

await Promise.all(Array.from({ length: options.connections }, (_, index) => probe(index)));
process.stdout.write(`${JSON.stringify({ samples } satisfies LatencyProbeResult)}\n`);

async function probe(index: number): Promise<void> {
  const socket = createConnection({ host: options.host, port: options.port, family: 4, noDelay: true });
  await once(socket, "connect");
  const message = Buffer.alloc(options.messageBytes, index);
  // Spread out, so that probes do not queue behind each other.
  await delay((options.intervalMs * index) / options.connections);
  while (Date.now() < endMs) {
    const atMs = Date.now();
    const startedMs = performance.now();
    socket.write(message);
    for (let received = 0; received < message.length; )
      received += ((await once(socket, "data")) as [Buffer])[0].length;
    const roundTripMs = performance.now() - startedMs;
    samples.push([atMs, roundTripMs]);
    await delay(Math.max(0, options.intervalMs - roundTripMs));
  }
  socket.end();
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
