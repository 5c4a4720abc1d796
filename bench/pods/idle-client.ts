/**
 * Program run in a pod: opens connections, sends one byte over each and waits for the byte that comes back, so that
 * every connection is known to be open from end to end. Then prints `IdleConnections` as a line of JSON and holds them
 * until its standard input ends. Usage: `node idle-client.ts <host> <port> <connections>`.
 */
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";

export interface IdleConnections {
  readonly open: number;
  /** Error code -> how many connections failed with it. */
  readonly failed: Readonly<Record<string, number>>;
}

/** Under way at the same time: enough to be quick, few enough for any backlog. */
const OPENERS = 64;
/** A connection that has not answered by then never will. */
const ANSWER_TIMEOUT_MS = 20_000;

const [host = "", port = "", connections = "1"] = process.argv.slice(2);
const sockets: Socket[] = [];
const failed: Record<string, number> = {};
let left = Number(connections);

await Promise.all(Array.from({ length: OPENERS }, openInTurn));
process.stdout.write(`${JSON.stringify({ open: sockets.length, failed } satisfies IdleConnections)}\n`);
process.stdin.resume().on("end", () => process.exit(0));

async function openInTurn(): Promise<void> {
  while (left > 0) {
    left -= 1;
    const socket = createConnection({ host, port: Number(port), family: 4, noDelay: true });
    try {
      socket.write("?");
      await once(socket, "data", { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
      socket.on("error", () => {});
      sockets.push(socket);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      failed[code] = (failed[code] ?? 0) + 1;
      socket.destroy();
    }
  }
}
