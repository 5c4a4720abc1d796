/**
 * One CONNECT stream, either role. Keeps the two directions, their windows and what waits in them.
 *
 *   ours    open --end()--> ended --last DATA written--> end sent \
 *                                                                  both: released, the connection forgets it;
 *   peer's  open --END_STREAM--> peer ended ----------------------/  what is unread can still be read
 *   either  reset(), RST_STREAM, lost tunnel: dead at once, nothing follows but the one `onReset`
 *
 * A stream of a client waits without an identifier while the peer takes no more; an incoming one waits without a
 * handler until it is accepted.
 */
import { limits } from "../../limits.ts";
import { ErrorCode, type StreamHandler, type TunnelStream } from "../engine.ts";
import type { LoadMeter } from "../load-meter.ts";
import { ByteQueue } from "./byte-queue.ts";
import { Flag, FRAME_HEADER_BYTES, FrameType, MAX_WINDOW_BYTES } from "./frame-format.ts";
import { type FrameBuffer, writeFrameHeader } from "./frame-buffer.ts";
import type { Headers } from "./hpack-encoder.ts";
import { framingLimits } from "./limits.ts";
import { ReceiveWindow } from "./receive-window.ts";
import type { Sender } from "./send-scheduler.ts";

/** What a stream needs of its connection. */
export interface StreamLink {
  readonly load: LoadMeter;
  /** The stream has data, `bytes` of it new; sends it when the windows allow. */
  onQueued(stream: FramingStream, bytes: number): void;
  sendEnd(streamId: number): void;
  sendReset(streamId: number, code: number): void;
  sendCredit(streamId: number, bytes: number): void;
  sendResponse(streamId: number, status: number, headers: Headers, endStream: boolean): void;
  /** Unread bytes of the stream have changed. */
  onUnread(change: number): void;
  /** Over on the wire, or never came so far. */
  onReleased(stream: FramingStream): void;
  /** Calls `runCallbacks` soon, outside of any method. */
  callSoon(stream: FramingStream): void;
}

export class FramingStream implements TunnelStream, Sender {
  /** 0 until it is opened on the wire. */
  id = 0;
  nextSender: Sender | undefined;
  isScheduled = false;
  readonly #link: StreamLink;
  readonly #queue = new ByteQueue();
  readonly #receiveWindow = new ReceiveWindow(limits.streamWindowBytes);
  #handler: StreamHandler | undefined;
  #onAbort: (() => void)[] | undefined;
  #unread: ByteQueue | undefined;
  #sendWindowBytes = 0;
  /** Client: the answer has come. Server: accepted. */
  #isAnswered = false;
  #isPaused = false;
  #isEnded = false;
  #isEndSent = false;
  #peerEnded = false;
  #isEndTold = false;
  #isReleased = false;
  #isDead = false;
  #drainWanted = false;
  #drainDue = false;
  #lost: { readonly code: number; readonly reason: string } | undefined;

  /** `handler` is absent for an incoming stream. */
  constructor(link: StreamLink, handler: StreamHandler | undefined) {
    this.#link = link;
    this.#handler = handler;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  get unreadBytes(): number {
    return this.#unread?.bytes ?? 0;
  }

  write(chunk: Buffer): boolean {
    if (this.#isDead || this.#isEnded || chunk.length === 0) return true;
    this.#link.load.add(chunk.length);
    this.#queue.push(chunk);
    if (this.#sendWindowBytes > 0) this.#link.onQueued(this, chunk.length);
    if (this.#queue.bytes < framingLimits.queueHighBytes) return true;
    this.#drainWanted = true;
    return false;
  }

  end(): void {
    if (this.#isDead || this.#isEnded) return;
    this.#isEnded = true;
    if (this.#queue.bytes === 0 && this.id !== 0) this.#sendEnd();
  }

  reset(code: number): void {
    this.#lost = undefined;
    if (this.#isDead) return;
    this.#die();
    if (this.id !== 0 && !this.#isReleased) this.#link.sendReset(this.id, code);
    this.#release();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.unreadBytes > 0) this.#link.callSoon(this);
  }

  // Answering an incoming stream.

  accept(headers: Headers, handler: StreamHandler): void {
    this.#handler = handler;
    if (this.#isDead) {
      this.#lost = { code: ErrorCode.cancel, reason: "stream was reset before it was accepted" };
    } else {
      this.#isAnswered = true;
      this.#link.sendResponse(this.id, 200, headers, false);
    }
    if (this.#isDead || this.unreadBytes > 0 || this.#peerEnded) this.#link.callSoon(this);
  }

  refuse(status: number, headers: Headers): void {
    if (this.#isDead) return;
    this.#link.sendResponse(this.id, status, headers, true);
    // The client's direction may still be open: RFC 9113 section 8.1 lets a server reset it with NO_ERROR.
    if (this.#peerEnded) this.#die();
    else this.reset(ErrorCode.noError);
    this.#release();
  }

  onAbort(callback: () => void): void {
    this.#onAbort ??= [];
    this.#onAbort.push(callback);
  }

  // Called by the connection: sending.

  /** It has its place on the wire, and the peer takes so many bytes. */
  opened(id: number, windowBytes: number): void {
    this.id = id;
    this.#sendWindowBytes = windowBytes;
    if (this.canSend) this.#link.onQueued(this, this.#queue.bytes);
    else if (this.#isEnded && this.#queue.bytes === 0) this.#sendEnd();
  }

  /** False: the window would exceed what RFC 9113 section 6.9.1 allows. May make it negative (section 6.9.2). */
  growSendWindow(bytes: number): boolean {
    this.#sendWindowBytes += bytes;
    if (this.canSend) this.#link.onQueued(this, 0);
    return this.#sendWindowBytes <= MAX_WINDOW_BYTES;
  }

  get canSend(): boolean {
    return this.#queue.bytes > 0 && this.#sendWindowBytes > 0;
  }

  sendData(out: FrameBuffer, maxBytes: number): number {
    const queue = this.#queue;
    const length = Math.min(maxBytes, this.#sendWindowBytes, queue.bytes);
    const isLast = this.#isEnded && length === queue.bytes;
    const bytes = out.reserve(FRAME_HEADER_BYTES + length);
    writeFrameHeader(bytes, out.length, length, FrameType.data, isLast ? Flag.endStream : 0, this.id);
    queue.moveTo(bytes, out.length + FRAME_HEADER_BYTES, length);
    out.length += FRAME_HEADER_BYTES + length;
    this.#sendWindowBytes -= length;
    if (isLast) this.#endSent();
    else if (this.#drainWanted && queue.bytes <= framingLimits.queueLowBytes) this.#drain();
    return length;
  }

  // Called by the connection: receiving. These may call the handler.

  /** The answer to a client's CONNECT. */
  receiveResponse(status: number, reason: string | undefined): void {
    this.#isAnswered = true;
    this.#handler?.onResponse(status, reason);
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  get peerEnded(): boolean {
    return this.#peerEnded;
  }

  /** A DATA frame comes: of `windowBytes`, `paddingBytes` are no payload. False: more than the stream's window. */
  receiveFrame(windowBytes: number, paddingBytes: number): boolean {
    if (!this.#receiveWindow.receive(windowBytes)) return false;
    if (paddingBytes > 0) this.#consumed(paddingBytes);
    return true;
  }

  receiveData(chunk: Buffer, from: number, to: number): void {
    if (this.#isDead) return;
    const length = to - from;
    this.#link.load.add(length);
    const slice = length === chunk.length ? chunk : chunk.subarray(from, to);
    if (this.#isAnswered && !this.#isPaused && this.unreadBytes === 0) {
      this.#consumed(length);
      this.#handler?.onData(slice);
      return;
    }
    this.#unread ??= new ByteQueue();
    this.#unread.pushSlice(slice);
    this.#link.onUnread(length);
  }

  receiveEnd(): void {
    if (this.#isDead || this.#peerEnded) return;
    this.#peerEnded = true;
    if (this.#isEndSent) this.#release();
    if (this.#isAnswered && this.unreadBytes === 0) this.#tellEnd();
  }

  /** RST_STREAM came, or the connection has sent one. */
  receiveReset(code: number, reason: string): void {
    if (this.#isDead) return;
    this.#die();
    this.#release();
    this.#tellReset(code, reason);
  }

  /** The tunnel is gone, or will not take the stream: told soon. */
  lose(code: number, reason: string): void {
    if (this.#isDead) return;
    this.#die();
    this.#isReleased = true;
    this.#lost = { code, reason };
    this.#link.callSoon(this);
  }

  /** Whatever could not be told from inside a method. */
  runCallbacks(): void {
    const lost = this.#lost;
    if (lost !== undefined) {
      this.#lost = undefined;
      this.#tellReset(lost.code, lost.reason);
      return;
    }
    if (this.#drainDue && !this.#isDead) {
      this.#drainDue = false;
      this.#handler?.onDrain();
    }
    if (this.#isAnswered) this.#deliverUnread();
  }

  #deliverUnread(): void {
    const unread = this.#unread;
    while (unread !== undefined && unread.bytes > 0 && !this.#isPaused && !this.#isDead) {
      const chunk = unread.shift() as Buffer;
      this.#link.onUnread(-chunk.length);
      this.#consumed(chunk.length);
      this.#handler?.onData(chunk);
    }
    if (this.#peerEnded && !this.#isDead && this.unreadBytes === 0) this.#tellEnd();
  }

  #consumed(bytes: number): void {
    if (this.#peerEnded || this.#isDead) return;
    const credit = this.#receiveWindow.consume(bytes);
    if (credit > 0) this.#link.sendCredit(this.id, credit);
  }

  #drain(): void {
    this.#drainWanted = false;
    this.#drainDue = true;
    this.#link.callSoon(this);
  }

  #sendEnd(): void {
    this.#link.sendEnd(this.id);
    this.#endSent();
  }

  #endSent(): void {
    this.#isEndSent = true;
    if (this.#peerEnded) this.#release();
  }

  #tellEnd(): void {
    if (this.#isEndTold) return;
    this.#isEndTold = true;
    this.#handler?.onEnd();
  }

  #tellReset(code: number, reason: string): void {
    // NO_ERROR: "stop sending". For a byte stream that is an abort all the same.
    if (this.#handler !== undefined)
      this.#handler.onReset(code === ErrorCode.noError ? ErrorCode.cancel : code, reason);
    else for (const callback of this.#onAbort ?? []) callback();
  }

  #die(): void {
    this.#isDead = true;
    this.#queue.clear();
    if (this.unreadBytes > 0) this.#link.onUnread(-this.unreadBytes);
    this.#unread = undefined;
  }

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#link.onReleased(this);
  }
}
