/**
 * Program run in a pod: reads `<host> <port>` lines, and tries each until a name server answers there. Prints a
 * `ReachRecord` per line of input as soon as it was reached. Ends when its standard input ends.
 */
import { createConnection } from "node:net";
import { createInterface } from "node:readline";

export interface ReachRecord {
  readonly host: string;
  /** Unix time at which the answer was there. */
  readonly reachedMs: number;
  readonly attempts: number;
  /** Name of the pod that answered. */
  readonly answeredBy: string;
}

/** What is refused is tried again this soon: the measurement's grain. */
const RETRY_MS = 5;
/** A SYN that was dropped is sent again after a second (RFC 6298): a new attempt finds out sooner. */
const ATTEMPT_MS = 100;

for await (const line of createInterface({ input: process.stdin })) {
  const [host = "", port] = line.split(" ");
  void reach(host, Number(port));
}

async function reach(host: string, port: number): Promise<void> {
  for (let attempts = 1; ; attempts += 1) {
    const answer = await askOnce(host, port);
    if (answer !== undefined) {
      const record = { host, reachedMs: Date.now(), attempts, answeredBy: answer.split(" ")[0] ?? "" };
      process.stdout.write(`${JSON.stringify(record satisfies ReachRecord)}\n`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function askOnce(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, noDelay: true });
    const end = (answer?: string): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ATTEMPT_MS, () => end());
    socket.once("error", () => end());
    socket.once("end", () => end());
    socket.once("data", (data: Buffer) => end(data.toString()));
    socket.write("?\n");
  });
}
