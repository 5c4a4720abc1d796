/**
 * Program of a pod: an HTTP/2 server without TLS, for clients with prior knowledge, that answers every request with its own
 * name and the request as it came, as JSON, with a trailer. Ends in order at SIGTERM. Usage: `node h2-server.ts <port>`.
 */
import { createServer, type ServerHttp2Session } from "node:http2";
import type { SeenRequest } from "./http-server.ts";

const pod = process.env["POD_NAME"] ?? "unknown";

const sessions = new Set<ServerHttp2Session>();
const server = createServer((request, response) => {
  const { method, url, socket } = request;
  const client = socket.remoteAddress?.replace(/^::ffff:/, "") ?? "";
  const headers = request.headers as Readonly<Record<string, string>>;
  const seen: SeenRequest = { pod, method, url, headers, client };
  request.resume();
  request.on("end", () => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write(JSON.stringify(seen));
    response.addTrailers({ "x-served-by": pod });
    response.end();
  });
});
server.on("session", (session) => {
  sessions.add(session);
  session.on("close", () => sessions.delete(session));
});
server.listen(Number(process.argv[2]), "::");
process.on("SIGTERM", () => {
  server.close(() => process.exit());
  for (const session of sessions) session.close();
});
