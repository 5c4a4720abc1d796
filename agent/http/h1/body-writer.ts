/**
 * Writes one message after the other: its head, then its body in the framing that the head has told. A head leaves together
 * with the first of its body when that comes in the same turn: one system call, and one packet for the far end.
 */
import type { Fields } from "../fields.ts";
import type { BodyKind } from "./framing.ts";
import { fieldLines } from "./write-head.ts";

/** Where the bytes go. False: wait before the next ones (these were taken all the same). */
export type WriteBytes = (bytes: Buffer) => boolean;

const CHUNK_END = Buffer.from("\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");
/** Up to this, content is copied behind its head or between its chunk's lines: another write costs more. */
const COPIED_BYTES = 2 * 1024;
const HEX = 16;

export class BodyWriter {
  readonly #write: WriteBytes;
  #body: BodyKind = "none";
  /** Waits for the first of its body, until the end of the present callback. */
  #head: Buffer | undefined;
  readonly #flush = (): void => {
    const head = this.#head;
    this.#head = undefined;
    if (head !== undefined) this.#write(head);
  };

  constructor(write: WriteBytes) {
    this.#write = write;
  }

  begin(head: Buffer, body: BodyKind): void {
    this.#body = body;
    if (body === "none") {
      this.#write(head);
      return;
    }
    this.#head = head;
    queueMicrotask(this.#flush);
  }

  write(content: Buffer): boolean {
    if (this.#body !== "chunked") return this.#send(content);
    const size = `${content.length.toString(HEX)}\r\n`;
    if (content.length <= COPIED_BYTES) return this.#send(wholeChunk(size, content));
    this.#send(Buffer.from(size, "latin1"));
    this.#write(content);
    return this.#write(CHUNK_END);
  }

  /** Once, after the last of the content. */
  end(trailers: Fields | undefined): void {
    if (this.#body === "chunked") {
      this.#send(trailers === undefined ? LAST_CHUNK : Buffer.from(`0\r\n${fieldLines(trailers)}\r\n`, "latin1"));
    } else this.#flush();
  }

  #send(bytes: Buffer): boolean {
    const head = this.#head;
    if (head === undefined) return this.#write(bytes);
    this.#head = undefined;
    if (bytes.length <= COPIED_BYTES) return this.#write(Buffer.concat([head, bytes]));
    this.#write(head);
    return this.#write(bytes);
  }
}

function wholeChunk(size: string, content: Buffer): Buffer {
  const chunk = Buffer.allocUnsafe(size.length + content.length + CHUNK_END.length);
  chunk.write(size, 0, "latin1");
  content.copy(chunk, size.length);
  CHUNK_END.copy(chunk, size.length + content.length);
  return chunk;
}
