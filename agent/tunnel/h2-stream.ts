/**
 * One CONNECT stream over node:http2, for both roles. Turns Node's stream events into the engine's callbacks and
 * keeps ends and aborts apart: END_STREAM in both directions is a close, everything else is a reset.
 */
import { constants, type Http2Stream } from "node:http2";
import type { StreamHandler, TunnelStream } from "./engine.ts";
import type { LoadMeter } from "./load-meter.ts";

export class H2Stream implements TunnelStream {
  readonly #stream: Http2Stream;
  readonly #handler: StreamHandler;
  readonly #load: LoadMeter;
  #ended = false;
  #peerEnded = false;
  #reset = false;

  constructor(stream: Http2Stream, handler: StreamHandler, load: LoadMeter) {
    this.#stream = stream;
    this.#handler = handler;
    this.#load = load;
    stream.on("error", ignore);
    stream.on("end", () => {
      this.#peerEnded = true;
      if (!this.#reset) handler.onEnd();
    });
    stream.on("drain", () => {
      if (!this.#reset) handler.onDrain();
    });
    stream.on("close", () => this.#closed());
  }

  /** Starts the flow of data; before this the engine buffers up to the stream's window. */
  startReading(): void {
    this.#stream.on("data", (chunk: Buffer) => {
      this.#load.add(chunk.length);
      if (!this.#reset) this.#handler.onData(chunk);
    });
  }

  get queuedBytes(): number {
    return this.#stream.writableLength;
  }

  get unreadBytes(): number {
    return this.#stream.readableLength;
  }

  write(chunk: Buffer): boolean {
    this.#load.add(chunk.length);
    return this.#stream.write(chunk);
  }

  end(): void {
    this.#ended = true;
    this.#stream.end();
  }

  reset(code: number): void {
    if (this.#reset) return;
    this.#reset = true;
    if (!this.#stream.closed) this.#stream.close(code);
    // Unread data would keep the stream (and its window) alive.
    this.#stream.resume();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  #closed(): void {
    if (this.#reset) return;
    const code = this.#stream.rstCode;
    if (this.#ended && this.#peerEnded && code === constants.NGHTTP2_NO_ERROR) return;
    this.#reset = true;
    this.#handler.onReset(code === constants.NGHTTP2_NO_ERROR ? constants.NGHTTP2_CANCEL : code, "stream reset by peer");
  }
}

// node:http2 reports through `close` and `rstCode` whatever it reports through `error`.
function ignore(): void {}
