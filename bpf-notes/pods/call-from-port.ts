/**
 * Program run in a pod: connects from a port of its own choice, asks for a page, and lets the server close first, so that it is
 * the far end which is left in TIME_WAIT. Usage: `node call-from-port.ts <address> <port> <local port>`.
 */
import { createConnection } from "node:net";

/** Longer than the first two repetitions of a lost SYN (1 s and 2 s later). */
const PATIENCE_MS = 4_000;

const [host = "", port = "", localPort = ""] = process.argv.slice(2);
const startedMs = performance.now();
const socket = createConnection({ host, port: Number(port), localPort: Number(localPort), allowHalfOpen: true });
socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
socket.once("connect", () => {
  console.log(`connected after ${(performance.now() - startedMs).toFixed(1)} ms`);
  socket.write("GET / HTTP/1.0\r\n\r\n");
});
socket.once("error", (error) => console.log(error.message));
socket.once("end", () => socket.end());
socket.resume();
