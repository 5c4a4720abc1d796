/** A client's socket as messages are written to it: everything of one turn of the loop at once, whatever it is made of. */
import type { Socket } from "node:net";
import { limits } from "../../limits.ts";
import type { WriteCoalescer } from "../../relay/write-coalescer.ts";
import type { MessageTarget } from "../h1/message-target.ts";

export class SocketTarget implements MessageTarget {
  readonly joins = true;
  /** Written so far. */
  bytes = 0;
  readonly #socket: Socket;
  readonly #writes: WriteCoalescer;

  constructor(socket: Socket, writes: WriteCoalescer) {
    this.#socket = socket;
    this.#writes = writes;
  }

  write(bytes: Buffer): boolean {
    this.bytes += bytes.length;
    this.#writes.writeLent(this.#socket, bytes);
    return this.#keepsUp;
  }

  writeText(text: string): boolean {
    this.bytes += text.length;
    this.#writes.writeText(this.#socket, text);
    return this.#keepsUp;
  }

  /** Else there will be a `drain`. */
  get #keepsUp(): boolean {
    return !this.#socket.writableNeedDrain || this.#socket.writableLength <= limits.socketBufferBytes;
  }
}
