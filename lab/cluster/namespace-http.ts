/** HTTP GET from inside a network namespace: what a scraper or a probe on that node or in that pod would get. */
import { request } from "node:http";
import type { LabHttpAnswer } from "../lab-status.ts";
import type { NamespaceSockets } from "./namespace-socket.ts";

/** An admin port that does not answer within this is as good as none. */
const TIMEOUT_MS = 2_000;

export function namespaceHttpGet(
  sockets: NamespaceSockets,
  pid: number,
  port: number,
  path: string,
): Promise<LabHttpAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        path,
        host: "127.0.0.1",
        port,
        headers: { connection: "close" },
        createConnection: () => sockets.connect(pid, "127.0.0.1", port),
        timeout: TIMEOUT_MS,
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () => {
          resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
        });
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error(`No answer on port ${port} within ${TIMEOUT_MS} ms`)));
    outgoing.on("error", reject);
    outgoing.end();
  });
}
