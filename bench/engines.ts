/**
 * The two tunnel engines against each other, and mixed: one tunnel on loopback between two processes, no relays and no
 * pods. The pairs take turns (A B C A B C ...); medians, and ratios to the first.
 *
 *   node [V8 flags, passed on to the measured processes] bench/engines.ts [rounds]
 *
 * CPU time counts, of both ends together: the machine is rarely alone, and an agent is rarely on both ends.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

interface Result {
  readonly wallMs: number;
  /** Of the dialling and of the serving end. */
  readonly clientUs: number;
  readonly serverUs: number;
}

interface Load {
  readonly name: string;
  readonly order: object;
  /** What one unit of the results is. */
  readonly unit: string;
  readonly units: number;
}

const PROGRAM = path.resolve(import.meta.dirname, "../test/support/programs/engine-load.ts");
const DEFAULT_ROUNDS = 5;
const CALLS = 60_000;
const MEGABYTE = 1024 * 1024;
const BULK_BYTES = 256 * MEGABYTE;
const LOADS: readonly Load[] = [
  {
    name: "small calls, 1 stream",
    order: { kind: "calls", streams: 1, calls: CALLS / 10 },
    unit: "call",
    units: CALLS / 10,
  },
  { name: "small calls, 64 streams", order: { kind: "calls", streams: 64, calls: CALLS }, unit: "call", units: CALLS },
  { name: "new stream, one call each", order: { kind: "calls", streams: 900, calls: 0 }, unit: "stream", units: 900 },
  {
    name: "bulk, 1 stream, up",
    order: { kind: "upload", bytes: BULK_BYTES },
    unit: "MiB",
    units: BULK_BYTES / MEGABYTE,
  },
  {
    name: "bulk, 1 stream, down",
    order: { kind: "download", bytes: BULK_BYTES },
    unit: "MiB",
    units: BULK_BYTES / MEGABYTE,
  },
];
const PAIRS = [
  { dial: "node:http2", serve: "node:http2" },
  { dial: "framing", serve: "framing" },
  { dial: "framing", serve: "node:http2" },
  { dial: "node:http2", serve: "framing" },
] as const;

const rounds = Number(process.argv[2] ?? DEFAULT_ROUNDS);
const pairs = await Promise.all(PAIRS.map(({ dial, serve }) => startPair(dial, serve)));
console.log(`${rounds} rounds, medians; us of CPU per unit (dialling + serving end), units per second`);
for (const load of LOADS) {
  const results = pairs.map(() => [] as Result[]);
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, pair] of pairs.entries()) {
      const result = await pair.run(load.order);
      // The first round only warms up.
      if (round >= 0) results[index]?.push(result);
    }
  }
  report(load, results);
}
for (const pair of pairs) pair.stop();

async function startPair(dialEngine: string, serveEngine: string) {
  const server = fork(PROGRAM, ["serve", serveEngine]);
  const peer = await nextMessage<object>(server);
  const client = fork(PROGRAM, ["dial", dialEngine]);
  client.send(peer);
  await nextMessage(client);
  return {
    run: async (order: object): Promise<Result> => {
      const beforeUs = await ask<{ cpuUs: number }>(server, { kind: "cpu" });
      const { wallMs, cpuUs } = await ask<{ wallMs: number; cpuUs: number }>(client, order);
      const afterUs = await ask<{ cpuUs: number }>(server, { kind: "cpu" });
      return { wallMs, clientUs: cpuUs, serverUs: afterUs.cpuUs - beforeUs.cpuUs };
    },
    stop: (): void => {
      client.kill();
      server.kill();
    },
  };
}

async function ask<T>(child: ChildProcess, message: object): Promise<T> {
  child.send(message);
  return await nextMessage<T>(child);
}

async function nextMessage<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, "message")) as [T & { error?: string }];
  if (message.error !== undefined) throw new Error(message.error);
  return message;
}

function report({ name, unit, units }: Load, results: readonly (readonly Result[])[]): void {
  console.log(`\n${name}`);
  const first = median((results[0] ?? []).map(total));
  for (const [index, each] of results.entries()) {
    const pair = PAIRS[index];
    const cpu = median(each.map(total));
    const client = median(each.map(({ clientUs }) => clientUs)) / units;
    const server = median(each.map(({ serverUs }) => serverUs)) / units;
    const perSecond = units / (median(each.map(({ wallMs }) => wallMs)) / 1_000);
    const figures = `${client.toFixed(1)} + ${server.toFixed(1)} us/${unit}, ${perSecond.toFixed(0)} ${unit}s/s`;
    console.log(`  ${`${pair?.dial} -> ${pair?.serve}`.padEnd(26)} ${figures}, CPU ratio ${(cpu / first).toFixed(2)}`);
  }
}

function total({ clientUs, serverUs }: Result): number {
  return clientUs + serverUs;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
