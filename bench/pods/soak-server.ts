/**
 * The server of a soak: answers every request, after its body, with the number of bytes that it had, in chunks; one for
 * a path with `slow` in it after a while. Usage: `node soak-server.ts <port>`.
 */
import { createServer } from "node:http";

/** Longer than the client waits before it gives up. */
const SLOW_MS = 1_000;
/** Told to clients, so that they, and agents, let idle connections go. */
const KEEP_ALIVE_MS = 5_000;

const server = createServer((request, response) => {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => (bytes += chunk.length));
  request.on("end", () => {
    const answer = (): void => void response.writeHead(200, { "content-type": "text/plain" }).end(`${bytes}\n`);
    if (request.url?.includes("slow") === true) setTimeout(answer, SLOW_MS);
    else answer();
  });
  // Clients that leave in the middle are a part of it.
  request.on("error", () => {});
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.listen(Number(process.argv[2]), "::");
