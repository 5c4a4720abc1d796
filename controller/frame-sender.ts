/**
 * Sends frames on one WebSocket in order, a large one in fragments (RFC 6455 5.4), each when the kernel has taken the one
 * before: what waits is a reference to bytes that all agents share, and not a copy of them in this connection's cipher.
 * (OpenSSL's buffers never shrink: a snapshot written in one piece costs its size for as long as the connection lives.)
 */
import { WebSocket } from "ws";
import type { Frame } from "./table-message.ts";

/** The most that one TLS record carries (RFC 8446 5.1). */
const FRAGMENT_BYTES = 16 * 1024;

interface Queued {
  readonly frame: Frame;
  readonly onSent: () => void;
}

export class FrameSender {
  readonly #socket: WebSocket;
  /** Frames that wait for the fragments of one before them. Bounded by whoever sends. */
  readonly #queue: Queued[] = [];
  #fragmenting = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** A large frame is on its way: what is sent now waits here. */
  get busy(): boolean {
    return this.#fragmenting;
  }

  /** Frames that wait here. */
  get queued(): number {
    return this.#queue.length;
  }

  /** `onSent` is also called when the connection fails. */
  send(frame: Frame, onSent: () => void = () => {}): void {
    if (this.#fragmenting) this.#queue.push({ frame, onSent });
    else if (frame.bytes.length <= FRAGMENT_BYTES) this.#socket.send(frame.bytes, { binary: frame.binary }, onSent);
    else {
      this.#fragmenting = true;
      this.#sendFragment(frame, 0, onSent);
    }
  }

  #sendFragment({ bytes, binary }: Frame, start: number, onSent: () => void): void {
    const end = start + FRAGMENT_BYTES;
    const fin = end >= bytes.length;
    this.#socket.send(bytes.subarray(start, end), { binary, fin }, () => {
      if (!fin && this.#socket.readyState === WebSocket.OPEN) this.#sendFragment({ bytes, binary }, end, onSent);
      else this.#ended(onSent);
    });
  }

  #ended(onSent: () => void): void {
    this.#fragmenting = false;
    onSent();
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.send(next.frame, next.onSent);
      if (this.#fragmenting) return;
    }
  }
}
