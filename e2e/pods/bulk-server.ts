/** Program of a pod: the server of bulk transfers. Usage: `node bulk-server.ts <port>`. */
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { once } from "node:events";
import { type BulkRequest, PayloadReader, readAll, sendPayload } from "./bulk-transfer.ts";

createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  serve(socket).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    socket.resetAndDestroy();
  });
}).listen(Number(process.argv[2]), "::");

async function serve(socket: Socket): Promise<void> {
  const request = await readRequest(socket);
  const pause = { afterBytes: request.uploadBytes / 16, ms: request.serverPauseMs };
  const reader = new PayloadReader(request.uploadBytes, request.serverPauseMs > 0 ? pause : undefined);
  const [downloaded] = await Promise.all([
    sendPayload(socket, "download", request.downloadBytes),
    readAll(socket, reader),
  ]);
  socket.end(Buffer.concat([downloaded, reader.digest()]));
}

/** The first line; what came with it goes back into the socket. */
async function readRequest(socket: Socket): Promise<BulkRequest> {
  let head = Buffer.alloc(0);
  while (!head.includes("\n")) {
    await once(socket, "readable");
    head = Buffer.concat([head, (socket.read() as Buffer | null) ?? Buffer.alloc(0)]);
  }
  const lineEnd = head.indexOf("\n");
  socket.unshift(head.subarray(lineEnd + 1));
  return JSON.parse(head.subarray(0, lineEnd).toString()) as BulkRequest;
}
