/**
 * The two halves of a bulk transfer, for bulk-server.ts and bulk-client.ts.
 *
 *   client -> server:  request as a line of JSON, upload, SHA-256 of the upload, FIN
 *   server -> client:  download, SHA-256 of the download, SHA-256 of the upload as it arrived, FIN
 *
 * Both directions run at the same time. Digests are 32 raw bytes.
 */
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { SeededBytes } from "./seeded-bytes.ts";

export interface BulkRequest {
  readonly uploadBytes: number;
  readonly downloadBytes: number;
  /** The server stops reading for this long once it has a sixteenth of the upload; 0 = never. */
  readonly serverPauseMs: number;
}

export interface ReadPause {
  readonly afterBytes: number;
  readonly ms: number;
}

export const DIGEST_BYTES = 32;
const WRITE_BYTES = 64 * 1024;

/** Sends `length` bytes at the speed of the reader, and resolves with their SHA-256 once all are handed over. */
export function sendPayload(socket: Socket, seed: string, length: number): Promise<Buffer> {
  const bytes = new SeededBytes(seed);
  const hash = createHash("sha256");
  let sent = 0;
  return new Promise((resolve, reject) => {
    const pump = (): void => {
      while (sent < length) {
        const block = bytes.slice(sent, Math.min(WRITE_BYTES, length - sent));
        sent += block.length;
        hash.update(block);
        if (!socket.write(block)) {
          socket.once("drain", pump);
          return;
        }
      }
      socket.off("close", lost);
      resolve(hash.digest());
    };
    const lost = (): void => reject(new Error(`connection closed after ${sent} of ${length} bytes were sent`));
    socket.once("close", lost);
    pump();
  });
}

/** Takes a payload of known length and the digests behind it. */
export class PayloadReader {
  readonly #length: number;
  readonly #pause: ReadPause | undefined;
  readonly #hash = createHash("sha256");
  readonly #trailer: Buffer[] = [];
  #received = 0;
  #paused = false;

  constructor(length: number, pause: ReadPause | undefined) {
    this.#length = length;
    this.#pause = pause;
  }

  get receivedBytes(): number {
    return this.#received;
  }

  /** SHA-256 of what arrived. Once only, after the end. */
  digest(): Buffer {
    return this.#hash.digest();
  }

  /** What came behind the payload. */
  get trailer(): Buffer {
    return Buffer.concat(this.#trailer);
  }

  add(chunk: Buffer, socket: Socket): void {
    const payload = chunk.subarray(0, this.#length - this.#received);
    this.#hash.update(payload);
    this.#received += payload.length;
    if (payload.length < chunk.length) this.#trailer.push(chunk.subarray(payload.length));
    if (this.#pause === undefined || this.#paused || this.#received < this.#pause.afterBytes) return;
    this.#paused = true;
    socket.pause();
    setTimeout(() => socket.resume(), this.#pause.ms);
  }
}

/** Resolves at the end of what the peer sends; rejects when the connection breaks. */
export function readAll(socket: Socket, reader: PayloadReader): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on("data", (chunk: Buffer) => reader.add(chunk, socket));
    socket.once("end", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("connection closed before its end")));
  });
}
