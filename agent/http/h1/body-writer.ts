/** Writes the body of one message after its head, in the framing that the head has told. */
import type { Fields } from "./fields.ts";
import type { BodyKind } from "./framing.ts";
import { fieldLines } from "./write-head.ts";

/** Where the bytes go. False: wait before the next ones (these were taken all the same). */
export type WriteBytes = (bytes: Buffer) => boolean;

const CHUNK_END = Buffer.from("\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");
/** Up to this, content is copied between its chunk's lines: two more writes cost more. */
const COPIED_BYTES = 2 * 1024;
const HEX = 16;

export class BodyWriter {
  readonly #write: WriteBytes;
  #body: BodyKind = "none";

  constructor(write: WriteBytes) {
    this.#write = write;
  }

  begin(body: BodyKind): void {
    this.#body = body;
  }

  write(content: Buffer): boolean {
    if (this.#body !== "chunked") return this.#write(content);
    const size = `${content.length.toString(HEX)}\r\n`;
    if (content.length <= COPIED_BYTES) return this.#write(wholeChunk(size, content));
    this.#write(Buffer.from(size, "latin1"));
    this.#write(content);
    return this.#write(CHUNK_END);
  }

  /** Once, after the last of the content. */
  end(trailers: Fields | undefined): void {
    if (this.#body !== "chunked") return;
    this.#write(trailers === undefined ? LAST_CHUNK : Buffer.from(`0\r\n${fieldLines(trailers)}\r\n`, "latin1"));
  }
}

function wholeChunk(size: string, content: Buffer): Buffer {
  const chunk = Buffer.allocUnsafe(size.length + content.length + CHUNK_END.length);
  chunk.write(size, 0, "latin1");
  content.copy(chunk, size.length);
  CHUNK_END.copy(chunk, size.length + content.length);
  return chunk;
}
