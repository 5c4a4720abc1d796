/**
 * What HTTP/1.1 costs: the codec alone, and a request through the HTTP data plane beside the same bytes through a plain
 * relay, on loopback. The two take turns; medians. No tunnel and no pods: what is compared is what looking into it adds.
 *
 *   node bench/h1.ts [rounds]
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { median } from "./statistics.ts";

interface Codec {
  readonly headBytes: number;
  readonly parseNs: number;
  readonly writeNs: number;
  /** A read of 64 KiB in the middle of a body, parsed and framed anew. */
  readonly lengthNs: number;
  readonly chunkedNs: number;
}

interface Way {
  readonly name: "http" | "relay";
  readonly process: ChildProcess;
  readonly port: number;
}

const PROGRAM = path.resolve(import.meta.dirname, "../test/support/programs/h1-load.ts");
const DEFAULT_ROUNDS = 5;
const READ_BYTES = 64 * 1024;
/** The first also warms up the compiler, which a single connection hardly would. */
const LOADS = [
  { connections: 64, requests: 60_000 },
  { connections: 1, requests: 5_000 },
] as const;

const rounds = Number(process.argv[2] ?? DEFAULT_ROUNDS);
await codec();
await proxied();

async function codec(): Promise<void> {
  const results: Codec[] = [];
  for (let round = 0; round < rounds; round += 1) {
    results.push(await nextMessage<Codec>(fork(PROGRAM, ["codec"])));
  }
  const of = (key: keyof Codec): number => median(results.map((result) => result[key]));
  console.log(`codec, ${rounds} rounds, medians; a head of ${of("headBytes")} bytes`);
  console.log(`  parse ${of("parseNs").toFixed(0)} ns, serialise ${of("writeNs").toFixed(0)} ns`);
  const perRead = (ns: number): string => `${ns.toFixed(0)} ns per 64 KiB (${(READ_BYTES / ns).toFixed(0)} GB/s)`;
  console.log(`  bodies, without a copy: known length ${perRead(of("lengthNs"))}, chunked ${perRead(of("chunkedNs"))}`);
}

async function proxied(): Promise<void> {
  const peers = fork(PROGRAM, ["peers"]);
  const { originPort } = await nextMessage<{ originPort: number }>(peers);
  const ways = [await startWay("relay", originPort), await startWay("http", originPort)];
  for (const load of LOADS) {
    const results = ways.map(() => [] as { cpuUs: number; perSecond: number }[]);
    for (let round = -1; round < rounds; round += 1) {
      for (const [index, way] of ways.entries()) {
        const result = await measure(peers, way, load);
        // The first round only warms up.
        if (round >= 0) results[index]?.push(result);
      }
    }
    report(load, ways, results);
  }
  for (const { process: child } of ways) child.kill();
  peers.kill();
}

async function startWay(name: Way["name"], originPort: number): Promise<Way> {
  const child = fork(PROGRAM, ["agent", name]);
  child.send({ originPort });
  const { port } = await nextMessage<{ port: number }>(child);
  return { name, process: child, port };
}

async function measure(peers: ChildProcess, way: Way, load: (typeof LOADS)[number]) {
  const before = await ask<{ cpuUs: number }>(way.process, {});
  const { wallMs } = await ask<{ wallMs: number }>(peers, { port: way.port, ...load });
  const after = await ask<{ cpuUs: number }>(way.process, {});
  return { cpuUs: (after.cpuUs - before.cpuUs) / load.requests, perSecond: (load.requests / wallMs) * 1_000 };
}

function report(
  { connections, requests }: (typeof LOADS)[number],
  ways: readonly Way[],
  results: readonly (readonly { cpuUs: number; perSecond: number }[])[],
): void {
  console.log(`\n${requests} requests over ${connections} connections`);
  for (const [index, { name }] of ways.entries()) {
    const own = results[index] ?? [];
    const cpu = median(own.map(({ cpuUs }) => cpuUs)).toFixed(1);
    const rate = median(own.map(({ perSecond }) => perSecond)).toFixed(0);
    console.log(`  ${name.padEnd(6)} ${cpu} us of CPU per request, ${rate} requests/s`);
  }
}

async function ask<T>(child: ChildProcess, message: object): Promise<T> {
  child.send(message);
  return await nextMessage<T>(child);
}

async function nextMessage<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, "message")) as [T];
  return message;
}
