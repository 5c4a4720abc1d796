/**
 * Idle connections: by how much each proxy process grows for one, and the kernel besides (all of its memory on this
 * machine, sockets of client and server included). Half of them come from each of two pods.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { HawserError } from "../../core/errors.ts";
import type { MetricValues } from "../metrics.ts";
import type { IdleConnections } from "../pods/idle-client.ts";
import { CLIENT_POD, SECOND_CLIENT_POD } from "../world/services.ts";
import type { Variant } from "../world/variant.ts";
import type { Load } from "./load.ts";
import { requireEndpoint } from "./require-endpoint.ts";

const PROGRAM = path.resolve(import.meta.dirname, "../pods/idle-client.ts");
/** What was needed for the opening alone is given back, as far as it is. */
const SETTLE_MS = 1_500;
/** Opening 10,000 and closing them, with the settling. */
const SECONDS_PER_THOUSAND = 0.7;

export const idleConnections: Load = {
  id: "idle",
  group: "idle",
  title: "Idle connections: resident memory of the proxies for each",
  unit: "connection",
  metrics: [
    "kibPerConnection",
    "clientKibPerConnection",
    "serverKibPerConnection",
    "kernelKibPerConnection",
    "connections",
    "errors",
  ],
  repeat: "once",
  secondsPerSlice: ({ idleConnections: count }) => 4 + (count / 1_000) * SECONDS_PER_THOUSAND,
  suits: () => true,
  run: async (variant, settings) => {
    const before = readMemory(variant);
    const half = Math.ceil(settings.idleConnections / 2);
    const pods = [CLIENT_POD, SECOND_CLIENT_POD];
    const holders = await Promise.all(pods.map((pod) => holdConnections(variant, pod, half)));
    await delay(SETTLE_MS);
    const after = readMemory(variant);
    await Promise.all(holders.map(({ child }) => letGo(child)));
    // The next variant's figures must not contain the end of these.
    await delay(SETTLE_MS);
    const connections = holders.reduce((sum, { open }) => sum + open, 0);
    return { ...grown(variant, before, after, connections), connections, errors: half * pods.length - connections };
  },
};

interface Memory {
  readonly clientKib: number;
  readonly serverKib: number;
  readonly kernelKib: number;
}

function readMemory({ proxies }: Variant): Memory {
  return {
    clientKib: proxies?.client.residentKib() ?? 0,
    serverKib: proxies?.server.residentKib() ?? 0,
    kernelKib: kernelKib(),
  };
}

/** Sockets are in slabs; their buffers, empty when idle, would be in pages. */
function kernelKib(): number {
  return Number(/^Slab:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? Number.NaN);
}

function grown({ proxies }: Variant, before: Memory, after: Memory, connections: number): MetricValues {
  const kernel = { kernelKibPerConnection: (after.kernelKib - before.kernelKib) / connections };
  if (proxies === undefined) return kernel;
  const client = (after.clientKib - before.clientKib) / connections;
  const server = (after.serverKib - before.serverKib) / connections;
  return {
    ...kernel,
    kibPerConnection: client + server,
    clientKibPerConnection: client,
    serverKibPerConnection: server,
  };
}

async function holdConnections(variant: Variant, pod: string, count: number) {
  const { host, port } = requireEndpoint(variant, "idle");
  const script = 'ulimit -n "$(ulimit -H -n)"; exec "$@"';
  const argv = ["sh", "-c", script, "sh", process.execPath, PROGRAM, host, `${port}`, `${count}`];
  const child = await variant.lab.spawn(pod, argv, { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout as Readable }), "line"),
    once(child, "exit"),
  ])) as [unknown];
  if (typeof line !== "string") throw new HawserError("load-failed", `Idle connections over ${variant.title} failed`);
  return { child, ...(JSON.parse(line) as IdleConnections) };
}

async function letGo(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.stdin?.end();
  await ended;
}
