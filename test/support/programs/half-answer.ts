/** Serves one connection as a relay does: announces its port, sends a part of an answer, and waits to be killed. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { resetWhenClosed } from "../../../agent/sockets/reset-socket.ts";

const server = createServer((socket) => {
  resetWhenClosed(socket, true);
  socket.write("a part of an answer");
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
