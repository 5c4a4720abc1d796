/**
 * Program run in a pod: accepts connections, answers the first byte of each with a byte, and then keeps quiet.
 * Usage: `node idle-server.ts <port>`.
 */
import { createServer } from "node:net";

/** All connections may arrive at once. */
const BACKLOG = 4_096;

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => socket.destroy());
  socket.once("data", () => socket.write("!"));
});
server.listen({ port: Number(process.argv[2]), host: "0.0.0.0", backlog: BACKLOG });
