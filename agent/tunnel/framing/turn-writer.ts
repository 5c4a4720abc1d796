/**
 * Hands frames to TLS: once per turn of the event loop, in setImmediate, that is right after the turn's reads; at once
 * when a lot is queued. One write at a time; what comes meanwhile is gathered for the next, so that TLS never queues.
 *
 *   queued / request --> (end of the turn, or a lot) --> flush: control frames, then gather(data) --> write
 *                                                          ^------------- written, more has come ------'
 *
 * When the last flush had a single frame there is nothing to gather: then right after the present callback, which also
 * saves a turn, because TLS reports the end of a write in the turn's setImmediate phase. What comes in the same turn waits
 * for that.
 */
import type { Writable } from "node:stream";
import { FrameBuffer } from "./frame-buffer.ts";
import { framingLimits } from "./limits.ts";

export interface FrameSource {
  /** Adds data of the streams to what is about to be written; returns the number of frames. */
  gather(out: FrameBuffer): number;
  /** There may be more to gather. */
  readonly hasWork: boolean;
  /** A write has ended: the time for callbacks. */
  onWritten(): void;
}

export class TurnWriter {
  /** Control frames are written here, then `request` is called. */
  out = new FrameBuffer();
  #spare = new FrameBuffer();
  readonly #socket: Writable;
  readonly #source: FrameSource;
  #queuedBytes = 0;
  #isLonely = true;
  #isWriting = false;
  #isScheduled = false;
  #isFinishing = false;
  #isStopped = false;
  readonly #turnEnded = (): void => {
    this.#isScheduled = false;
    this.flush();
  };
  readonly #written = (): void => this.#wrote();

  constructor(socket: Writable, source: FrameSource) {
    this.#socket = socket;
    this.#source = source;
  }

  /** So many bytes wait on streams. */
  queued(bytes: number): void {
    this.#queuedBytes += bytes;
    if (this.#queuedBytes >= framingLimits.earlyFlushBytes) this.flush();
    else this.request();
  }

  /** There is something to write when the turn ends. */
  request(): void {
    if (this.#isScheduled || this.#isWriting) return;
    this.#isScheduled = true;
    if (this.#isLonely) process.nextTick(this.#turnEnded);
    else setImmediate(this.#turnEnded);
  }

  flush(): void {
    if (this.#isWriting || this.#isStopped) return;
    const { out } = this;
    this.#isLonely = this.#source.gather(out) + out.controlFrames <= 1;
    this.#queuedBytes = 0;
    if (out.length === 0) {
      if (this.#isFinishing) this.#end();
      return;
    }
    this.out = this.#spare;
    this.#spare = out;
    this.#isWriting = true;
    this.#socket.write(out.written, this.#written);
  }

  /** Ends the connection after everything was written. */
  finish(): void {
    this.#isFinishing = true;
    this.request();
  }

  /** Nothing more is written, but for the control frames that are there when there are last words. */
  stop(lastWords: boolean): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (lastWords) this.#socket.write(this.out.written);
  }

  trim(): void {
    this.out.trim();
    this.#spare.trim();
  }

  #wrote(): void {
    this.#isWriting = false;
    this.#spare.clear();
    if (this.#isStopped) return;
    this.#source.onWritten();
    if (this.out.length > 0 || this.#source.hasWork || this.#isFinishing) this.flush();
  }

  #end(): void {
    this.#isStopped = true;
    this.#socket.end();
  }
}
