/**
 * Program of a pod: answers every line with its own name and the client's address and port as it sees them. Runs until
 * it is killed: SIGTERM closes the listener only, as a server that drains does. Usage: `node name-server.ts <port>`.
 */
import { createServer } from "node:net";
import { createInterface } from "node:readline";

const name = process.env["POD_NAME"] ?? "unknown";

const server = createServer({ noDelay: true }, (socket) => {
  const answer = `${name} ${socket.remoteAddress?.replace(/^::ffff:/, "")} ${socket.remotePort}\n`;
  socket.on("error", () => {});
  // The interface tells the socket's errors again.
  createInterface({ input: socket })
    .on("line", () => socket.write(answer))
    .on("error", () => {});
}).listen(Number(process.argv[2]), "::");

process.on("SIGTERM", () => server.close());
