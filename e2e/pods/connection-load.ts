/**
 * Program run in a pod: opens connections to a name server one after the other, in a few loops side by side, asks each
 * a few times for the server's name, and prints a `ConnectionRecord` per connection as a line of JSON.
 * Ends after `seconds`, or earlier when its standard input ends. Usage: `node connection-load.ts '<ConnectionLoadOptions as JSON>'`.
 */
import { createConnection, type Socket } from "node:net";
import { createInterface } from "node:readline";

export interface ConnectionLoadOptions {
  readonly host: string;
  readonly port: number;
  /** Loops side by side, each with one connection at a time. */
  readonly loops: number;
  readonly seconds: number;
  /** Total of connections, if they are made before the time is over. */
  readonly connections?: number;
  readonly requestsPerConnection: number;
  /** Between a connection's requests, and between a loop's connections. */
  readonly pauseMs: number;
  /** Instead of the loops: a new connection this often, whatever became of those before. */
  readonly everyMs?: number;
}

export interface ConnectionRecord {
  /** Unix time. */
  readonly startedMs: number;
  readonly endedMs: number;
  /** Names of the pods that answered: more than one would be a broken connection. */
  readonly pods: readonly string[];
  readonly answers: number;
  /** The client's own end: `address port`. */
  readonly local: string;
  /** The same as the server saw it. */
  readonly seenByServer: string;
  /** Why not all requests were answered. */
  readonly error?: string;
}

/** Far beyond what an operating system's retries take, so that a slow success is told from a failure. */
const ANSWER_TIMEOUT_MS = 15_000;

const options = JSON.parse(process.argv[2] ?? "{}") as ConnectionLoadOptions;
const endMs = Date.now() + options.seconds * 1000;
let left = options.connections ?? Number.POSITIVE_INFINITY;
const ending = new AbortController();

process.stdin.resume().on("end", () => ending.abort());
if (options.everyMs === undefined) await Promise.all(Array.from({ length: options.loops }, loop));
else await openSteadily(options.everyMs);
process.stdout.write("", () => process.exit(0));

async function loop(): Promise<void> {
  while (!ending.signal.aborted && Date.now() < endMs && left > 0) {
    await connectOnce();
    await delay(options.pauseMs);
  }
}

async function openSteadily(everyMs: number): Promise<void> {
  const underWay: Promise<void>[] = [];
  while (!ending.signal.aborted && Date.now() < endMs && left > 0) {
    underWay.push(connectOnce());
    await delay(everyMs);
  }
  await Promise.all(underWay);
}

async function connectOnce(): Promise<void> {
  left -= 1;
  const record = await converse();
  process.stdout.write(`${JSON.stringify(record)}\n`);
}

async function converse(): Promise<ConnectionRecord> {
  const startedMs = Date.now();
  const pods = new Set<string>();
  let answers = 0;
  let local = "";
  let seenByServer = "";
  const socket = createConnection({ host: options.host, port: options.port, family: 4, noDelay: true });
  let error: string | undefined;
  try {
    for await (const [name = "", ...client] of answersOf(socket)) {
      local ||= `${socket.localAddress} ${socket.localPort}`;
      seenByServer = client.join(" ");
      pods.add(name);
      answers += 1;
    }
    if (answers < options.requestsPerConnection) error = "ended early";
  } catch (cause) {
    error = (cause as NodeJS.ErrnoException).code ?? String(cause);
  }
  const record = { startedMs, endedMs: Date.now(), pods: [...pods], answers, local, seenByServer };
  return error === undefined ? record : { ...record, error };
}

/** The words of each answer. Ends with the connection in order, throws when it breaks or says nothing for too long. */
async function* answersOf(socket: Socket): AsyncGenerator<readonly string[]> {
  socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(new Error("timeout")));
  let failure: Error | undefined;
  // readline ends its iterator quietly when the connection breaks.
  socket.on("error", (error) => (failure = error));
  socket.write("?\n");
  let answers = 0;
  for await (const line of createInterface({ input: socket })) {
    yield line.split(" ");
    answers += 1;
    if (answers === options.requestsPerConnection) break;
    await delay(options.pauseMs);
    socket.write("?\n");
  }
  if (failure !== undefined) throw failure;
  socket.destroy();
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
