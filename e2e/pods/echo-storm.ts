/**
 * Program run in a pod: many connections to an echo server at once, each sending messages of random sizes and checking
 * every byte that comes back. Prints an `EchoStormResult` as JSON. Usage: `node echo-storm.ts '<options as JSON>'`.
 *
 *   connecting --> talking: message, its echo, next message ... --(time is over)--> ending: FIN, awaits FIN --> done
 */
import { createConnection, type Socket } from "node:net";
import { SeededBytes } from "./seeded-bytes.ts";

export interface EchoStormOptions {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** From the moment all connections are open. */
  readonly seconds: number;
  readonly maxMessageBytes: number;
}

export interface EchoStormResult {
  /** Connections that ended in order, with every byte echoed. */
  readonly completed: number;
  readonly messages: number;
  readonly echoedBytes: number;
  readonly wrongBytes: number;
  /** What happened to the others -> how often. */
  readonly failures: Readonly<Record<string, number>>;
  /** All open at once. */
  readonly peakConnections: number;
}

/** Enough seeds that a byte of another connection shows as wrong, few enough to hold their blocks in memory. */
const SEEDS = 64;
/** New connections per 20 ms: a thousand per second. */
const CONNECTIONS_PER_STEP = 20;
const STEP_MS = 20;
/** After the last message: for the echoes under way and the closing. */
const ENDING_MS = 15_000;

const options = JSON.parse(process.argv[2] ?? "{}") as EchoStormOptions;
const seeds = Array.from({ length: SEEDS }, (_, index) => new SeededBytes(`storm ${index}`));
const failures: Record<string, number> = {};
const talkers: Talker[] = [];
let messages = 0;
let echoedBytes = 0;
let wrongBytes = 0;
let peakConnections = 0;

class Talker {
  readonly socket: Socket;
  readonly #bytes: SeededBytes;
  #sent: number;
  #received: number;
  open = false;
  over = false;
  inOrder = false;

  constructor(number: number) {
    this.#bytes = seeds[number % SEEDS] as SeededBytes;
    // Connections with the same seed are at different places of it.
    this.#sent = number * 1_000_003;
    this.#received = this.#sent;
    this.socket = createConnection({
      host: options.host,
      port: options.port,
      family: 4,
      allowHalfOpen: true,
      noDelay: true,
    });
    this.socket.on("connect", () => {
      this.open = true;
      this.send();
    });
    this.socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.socket.on("end", () => this.#ended());
    this.socket.on("error", (error: NodeJS.ErrnoException) => this.#fail(error.code ?? error.message));
    this.socket.on("close", () => this.#fail("closed early"));
  }

  send(): void {
    // Sizes are spread evenly over the orders of magnitude: small ones must be as many as large ones.
    const length = Math.ceil(options.maxMessageBytes ** Math.random());
    const end = this.#sent + length;
    while (this.#sent < end) {
      const block = this.#bytes.slice(this.#sent, end - this.#sent);
      this.socket.write(block);
      this.#sent += block.length;
    }
  }

  finish(): void {
    if (!this.over && !this.socket.writableEnded && this.#received === this.#sent) this.socket.end();
  }

  giveUp(): void {
    this.#fail("unfinished");
    this.socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#bytes.firstDifference(chunk, this.#received) >= 0) wrongBytes += chunk.length;
    this.#received += chunk.length;
    echoedBytes += chunk.length;
    if (this.#received !== this.#sent) return;
    messages += 1;
    if (ending) this.finish();
    else this.send();
  }

  #ended(): void {
    if (this.#received !== this.#sent || !this.socket.writableEnded) this.#fail("ended early");
    else this.inOrder = true;
    this.over = true;
  }

  #fail(reason: string): void {
    if (this.over) return;
    this.over = true;
    failures[reason] = (failures[reason] ?? 0) + 1;
  }
}

let ending = false;
await openAll();
await delay(options.seconds * 1000);
ending = true;
// Who waits for an echo ends when it is there; a talker is never idle, so everyone is waiting for one.
await Promise.race([allOver(), delay(ENDING_MS)]);
for (const talker of talkers) if (!talker.over) talker.giveUp();
const completed = talkers.filter((talker) => talker.inOrder).length;
const result: EchoStormResult = { completed, messages, echoedBytes, wrongBytes, failures, peakConnections };
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

async function openAll(): Promise<void> {
  while (talkers.length < options.connections) {
    for (let index = 0; index < CONNECTIONS_PER_STEP; index += 1) talkers.push(new Talker(talkers.length));
    await delay(STEP_MS);
  }
  while (talkers.some((talker) => !talker.open && !talker.over)) await delay(STEP_MS);
  peakConnections = talkers.filter((talker) => talker.open && !talker.over).length;
}

async function allOver(): Promise<void> {
  while (talkers.some((talker) => !talker.over)) await delay(STEP_MS);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
