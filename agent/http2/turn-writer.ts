/**
 * Hands frames to the transport: once per turn of the event loop, in setImmediate, that is right after the turn's reads; at
 * once when a lot is queued. One write at a time; what comes meanwhile is gathered for the next, so that nothing queues
 * below.
 *
 *   queued / request --> (end of the turn, or a lot) --> flush: control frames, then gather(data) --> send
 *                                                          ^---------------- sent, more has come -----'
 *
 * When the last flush had a single frame there is nothing to gather: then right after the present callback, which also
 * saves a turn, because a transport reports the end of a write in the turn's setImmediate phase. What comes in the same
 * turn waits for that.
 */
import { FrameBuffer } from "./frame-buffer.ts";
import type { Http2Bounds } from "./http2-bounds.ts";

export interface FrameSource {
  /** Adds data of the streams to what is about to be written; returns the number of frames. */
  gather(out: FrameBuffer): number;
  /** There may be more to gather. */
  readonly hasWork: boolean;
  /** A write has ended: the time for callbacks. */
  onWritten(): void;
}

/** Where frames go. */
export interface FrameTarget {
  /** It takes payloads as they are, with `FrameBuffer.take`. */
  readonly takesSlices: boolean;
  /** Has `out` until it calls `sent`, which it never does before it returns. */
  send(out: FrameBuffer, sent: () => void): void;
  /** Nothing follows. */
  end(): void;
}

export class TurnWriter {
  /** Control frames are written here, then `request` is called. */
  out: FrameBuffer;
  #spare: FrameBuffer;
  readonly #target: FrameTarget;
  readonly #source: FrameSource;
  readonly #earlyFlushBytes: number;
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
  readonly #sent = (): void => this.#wrote();

  constructor(
    target: FrameTarget,
    source: FrameSource,
    bounds: Pick<Http2Bounds, "earlyFlushBytes" | "idleBufferBytes">,
  ) {
    this.#target = target;
    this.#source = source;
    this.#earlyFlushBytes = bounds.earlyFlushBytes;
    this.out = new FrameBuffer(bounds.idleBufferBytes, target.takesSlices);
    this.#spare = new FrameBuffer(bounds.idleBufferBytes, target.takesSlices);
  }

  /** Frames that are not sent yet, or being sent. */
  get heldBytes(): number {
    return this.out.length + this.#spare.length;
  }

  /** So many bytes wait on streams. */
  queued(bytes: number): void {
    this.#queuedBytes += bytes;
    if (this.#queuedBytes >= this.#earlyFlushBytes) this.flush();
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
    // From here on: a stream that ends while it is gathered lets another one begin, which may ask for a flush of its own.
    this.#isWriting = true;
    this.#isLonely = this.#source.gather(out) + out.controlFrames <= 1;
    this.#queuedBytes = 0;
    if (out.length === 0) {
      this.#isWriting = false;
      if (this.#isFinishing) this.#end();
      return;
    }
    this.out = this.#spare;
    this.#spare = out;
    this.#target.send(out, this.#sent);
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
    if (lastWords) this.#target.send(this.out, ignore);
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
    this.#target.end();
  }
}

function ignore(): void {}
