/**
 * Writes one message after the other: its head, then its body in the framing that the head has told. A head leaves together
 * with the first of its body when that comes in the same turn, unless its target joins what comes by itself: one packet for
 * the far end.
 */
import type { Fields } from "../fields.ts";
import type { BodyKind } from "./framing.ts";
import type { MessageTarget } from "./message-target.ts";

const CHUNK_END = "\r\n";
/** Trailers and an empty line follow. */
const LAST_CHUNK = "0\r\n";
/** Up to this, content is copied behind its head or between its chunk's lines: another write costs more. */
const COPIED_BYTES = 2 * 1024;
const HEX = 16;

export class BodyWriter {
  readonly #target: MessageTarget;
  #body: BodyKind = "none";
  /** Waits for the first of its body, until the end of the present callback. */
  #head = "";
  readonly #flush = (): void => {
    const head = this.#head;
    this.#head = "";
    if (head !== "") this.#target.writeText(head);
  };

  constructor(target: MessageTarget) {
    this.#target = target;
  }

  begin(head: string, body: BodyKind): void {
    this.#body = body;
    if (body === "none" || this.#target.joins === true) {
      this.#target.writeText(head);
      return;
    }
    this.#head = head;
    queueMicrotask(this.#flush);
  }

  write(content: Buffer): boolean {
    if (this.#body !== "chunked") return this.#send(content);
    const size = `${content.length.toString(HEX)}\r\n`;
    if (content.length <= COPIED_BYTES && this.#target.joins !== true) return this.#send(wholeChunk(size, content));
    this.#sendText(size);
    this.#target.write(content);
    return this.#target.writeText(CHUNK_END);
  }

  /** Once, after the last of the content. */
  end(trailers: Fields | undefined): void {
    if (this.#body === "chunked") {
      this.#sendText(`${LAST_CHUNK}${trailers === undefined ? "" : trailers.lines}\r\n`);
    } else this.#flush();
  }

  #send(bytes: Buffer): boolean {
    const head = this.#head;
    if (head === "") return this.#target.write(bytes);
    this.#head = "";
    if (bytes.length <= COPIED_BYTES) return this.#target.write(joined(head, bytes));
    this.#target.writeText(head);
    return this.#target.write(bytes);
  }

  #sendText(text: string): void {
    const head = this.#head;
    this.#head = "";
    this.#target.writeText(`${head}${text}`);
  }
}

function joined(head: string, bytes: Buffer): Buffer {
  const whole = Buffer.allocUnsafe(head.length + bytes.length);
  whole.write(head, 0, "latin1");
  bytes.copy(whole, head.length);
  return whole;
}

function wholeChunk(size: string, content: Buffer): Buffer {
  const chunk = Buffer.allocUnsafe(size.length + content.length + CHUNK_END.length);
  chunk.write(size, 0, "latin1");
  content.copy(chunk, size.length);
  chunk.write(CHUNK_END, size.length + content.length, "latin1");
  return chunk;
}
