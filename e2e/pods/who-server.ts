/** Tells whoever connects who answered and whom it saw, in one line of JSON, then ends the connection. Port: argument. */
import { createServer } from "node:net";

const name = process.env["POD_NAME"];

createServer((socket) => {
  socket.on("error", () => {});
  const seen = { server: name, client: socket.remoteAddress?.replace("::ffff:", ""), clientPort: socket.remotePort };
  socket.end(`${JSON.stringify(seen)}\n`);
}).listen(Number(process.argv[2]), "::");
