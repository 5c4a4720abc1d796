/**
 * One CONNECT stream over node:http2, for both roles. Turns Node's stream events into the engine's callbacks and
 * keeps ends and aborts apart: END_STREAM in both directions is a close, everything else is a reset.
 *
 * node:http2 blurs the two: it emits `end` for a stream that is torn down, and ends the writable side of a stream that
 * is reset, which would put an END_STREAM on the wire before the RST_STREAM. Both are undone here.
 */
import { constants, type Http2Stream } from "node:http2";
import { limits } from "../limits.ts";
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
    // node:http2 reports through `close` and `rstCode` whatever it reports through `error`.
    stream.on("error", ignore);
    stream.on("end", () => this.#peerEnd());
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

  writeLent(chunk: Buffer): boolean {
    return this.write(Buffer.from(chunk)) || this.queuedBytes <= limits.streamBufferBytes;
  }

  end(): void {
    this.#ended = true;
    this.#stream.end();
  }

  reset(code: number): void {
    if (this.#reset) return;
    this.#reset = true;
    // `close` ends the writable side, and what `_final` does then is to send END_STREAM: to the peer a clean end.
    this.#stream._final = ignore;
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

  #peerEnd(): void {
    // `aborted`: closed while we were still writing. `destroyed`: torn down. Neither is the peer's END_STREAM.
    if (this.#reset || this.#peerEnded || this.#stream.aborted || this.#stream.destroyed) return;
    this.#peerEnded = true;
    this.#handler.onEnd();
  }

  #closed(): void {
    if (this.#reset) return;
    const { rstCode, aborted } = this.#stream;
    if (this.#ended && !aborted && rstCode === constants.NGHTTP2_NO_ERROR) {
      if (!this.#peerEnded) this.#deliverRest();
      return;
    }
    this.#reset = true;
    const code = rstCode === constants.NGHTTP2_NO_ERROR ? constants.NGHTTP2_CANCEL : rstCode;
    this.#handler.onReset(code, "stream reset by peer");
  }

  /**
   * Both ends ended in order and the tunnel closed before a paused reader had taken everything: it still gets the rest,
   * at most a window.
   */
  #deliverRest(): void {
    for (
      let chunk = this.#stream.read() as Buffer | null;
      chunk !== null;
      chunk = this.#stream.read() as Buffer | null
    ) {
      this.#handler.onData(chunk);
    }
    this.#peerEnded = true;
    this.#handler.onEnd();
  }
}

function ignore(): void {}
