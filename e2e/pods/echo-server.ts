/** Program of a pod: sends back every byte, and ends when the client has ended. Usage: `node echo-server.ts <port>`. */
import { createServer } from "node:net";

createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on("error", (error) => process.stderr.write(`${error.message}\n`));
  socket.pipe(socket);
}).listen({ port: Number(process.argv[2]), host: "::", backlog: 4096 });
