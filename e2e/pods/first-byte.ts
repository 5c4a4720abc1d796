/**
 * Program run in a pod: connects to a server that speaks first, sends nothing, and prints how long the first byte took
 * in each of several connections, one after the other, as a JSON list of milliseconds.
 * Usage: `node first-byte.ts <host> <port> <connections>`.
 */
import { once } from "node:events";
import { createConnection } from "node:net";

const [host = "", port = "", connections = "1"] = process.argv.slice(2);
const milliseconds: number[] = [];
for (let index = 0; index < Number(connections); index += 1) {
  const startedMs = performance.now();
  const socket = createConnection({ host, port: Number(port), family: 4 });
  await once(socket, "data");
  milliseconds.push(performance.now() - startedMs);
  socket.destroy();
}
process.stdout.write(`${JSON.stringify(milliseconds)}\n`);
