/**
 * Program of a pod: an HTTP/2 server without TLS, for clients with prior knowledge, that answers every request with its own
 * name and the request as it came, as JSON, with a trailer. Usage: `node h2-server.ts <port>`.
 */
import { createServer } from "node:http2";
import type { SeenRequest } from "./http-server.ts";

const pod = process.env["POD_NAME"] ?? "unknown";

createServer((request, response) => {
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
}).listen(Number(process.argv[2]), "::");
