/**
 * Opens one connection after the other from one and the same local port, to different destinations, and keeps all of them
 * open. Prints as JSON what a `who` server said on each.
 *
 *   same-port-client.ts <local port> <host> <port> [<host> <port> ...]
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

const [localPort = "", ...rest] = process.argv.slice(2);
const sockets: Socket[] = [];
const answers: unknown[] = [];
for (let index = 0; index < rest.length; index += 2) {
  const socket = connect({
    host: rest[index] ?? "",
    port: Number(rest[index + 1]),
    localPort: Number(localPort),
    allowHalfOpen: true,
  });
  sockets.push(socket);
  const [chunk] = (await once(socket, "data")) as [Buffer];
  answers.push(JSON.parse(chunk.toString()));
}
process.stdout.write(JSON.stringify(answers));
for (const socket of sockets) socket.destroy();
