/**
 * Program run in a pod: one bulk transfer, both ways at once. Prints a `BulkResult` as JSON.
 * Usage: `node bulk-client.ts '<BulkOptions as JSON>'`.
 */
import { createConnection } from "node:net";
import { once } from "node:events";
import { type BulkRequest, DIGEST_BYTES, PayloadReader, readAll, sendPayload } from "./bulk-transfer.ts";

export interface BulkOptions extends BulkRequest {
  readonly host: string;
  readonly port: number;
  /** The client stops reading for this long once it has a sixteenth of the download; 0 = never. */
  readonly clientPauseMs: number;
}

export interface BulkResult {
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  /** SHA-256 at the sender equals SHA-256 at the receiver. */
  readonly uploadIntact: boolean;
  readonly downloadIntact: boolean;
  readonly seconds: number;
}

const options = JSON.parse(process.argv[2] ?? "{}") as BulkOptions;
const startedMs = performance.now();
const socket = createConnection({
  host: options.host,
  port: options.port,
  family: 4,
  allowHalfOpen: true,
  noDelay: true,
});
await once(socket, "connect");
const { uploadBytes, downloadBytes, serverPauseMs, clientPauseMs } = options;
socket.write(`${JSON.stringify({ uploadBytes, downloadBytes, serverPauseMs } satisfies BulkRequest)}\n`);
const pause = { afterBytes: downloadBytes / 16, ms: clientPauseMs };
const reader = new PayloadReader(downloadBytes, clientPauseMs > 0 ? pause : undefined);
const [uploaded] = await Promise.all([upload(), readAll(socket, reader)]);
const result: BulkResult = {
  uploadedBytes: uploadBytes,
  downloadedBytes: reader.receivedBytes,
  uploadIntact: reader.trailer.subarray(DIGEST_BYTES).equals(uploaded),
  downloadIntact: reader.trailer.subarray(0, DIGEST_BYTES).equals(reader.digest()),
  seconds: (performance.now() - startedMs) / 1000,
};
process.stdout.write(`${JSON.stringify(result)}\n`);

async function upload(): Promise<Buffer> {
  const digest = await sendPayload(socket, "upload", uploadBytes);
  socket.end(digest);
  return digest;
}
