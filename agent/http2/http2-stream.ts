/**
 * One stream of an HTTP/2 connection, either role: the two directions, their windows and what waits in them. What its
 * messages are is up to the classes that extend it: CONNECT streams of tunnels, and requests.
 *
 *   ours    open --finish()--> finished --last DATA or trailers written--> end sent \
 *                                                                   both: released, the connection forgets it;
 *   peer's  open --END_STREAM--> peer ended -------------------------/   what is unread can still be read
 *   either  reset(), RST_STREAM, lost connection: dead at once, nothing follows but the one `tellReset`
 *
 * A stream of a client may wait without an identifier while the peer takes no more.
 */
import { ByteQueue } from "./byte-queue.ts";
import type { ChunkPool } from "./chunk-pool.ts";
import { type FrameBuffer, writeFrameHeader } from "./frame-buffer.ts";
import { Flag, FRAME_HEADER_BYTES, FrameType, MAX_WINDOW_BYTES } from "./frame-format.ts";
import type { Http2Bounds } from "./http2-bounds.ts";
import { ReceiveWindow } from "./receive-window.ts";
import type { Sender } from "./send-scheduler.ts";

/** Less is copied: a buffer of its own in each write costs more. */
const SLICED_BYTES = 4_096;

/** So much of what was only lent waits before its source is to stop: less is cheaper copied than stopped. */
const COPIED_BYTES = 32 * 1024;

/** What a stream needs of its connection. */
export interface StreamLink {
  readonly bounds: Http2Bounds;
  readonly copies: ChunkPool;
  /** Bytes that wait on all streams. */
  readonly queuedBytes: number;
  /** Where to write frames that are sent with the turn. */
  control(): FrameBuffer;
  sendReset(streamId: number, code: number): void;
  /** Where a DATA frame of so many bytes may be written right now; `onFramed` follows. Undefined: it has to wait its turn. */
  roomFor(bytes: number): FrameBuffer | undefined;
  onFramed(bytes: number): void;
  /** The stream has data, `bytes` of it new; sends it when the windows allow. */
  onQueued(stream: Http2Stream, bytes: number): void;
  /** What waits on the stream has changed. */
  onQueueChanged(change: number): void;
  /** Payload in either direction. */
  onMoved(bytes: number): void;
  /** Unread bytes of the stream have changed. */
  onUnread(change: number): void;
  /** Over on the wire, or never came so far. */
  onReleased(stream: Http2Stream): void;
  /** Calls `runCallbacks` soon, outside of any method. */
  callSoon(stream: Http2Stream): void;
}

interface Loss {
  readonly code: number;
  readonly reason: string;
  readonly byPeer: boolean;
}

export abstract class Http2Stream implements Sender {
  /** 0 until it is opened on the wire. */
  id = 0;
  nextSender: Sender | undefined;
  isScheduled = false;
  protected readonly link: StreamLink;
  readonly #queue: ByteQueue;
  readonly #receiveWindow: ReceiveWindow;
  #unread: ByteQueue | undefined;
  #sendWindowBytes = 0;
  #isPaused = false;
  #isFinished = false;
  #isEndSent = false;
  #peerEnded = false;
  #isEndTold = false;
  #isReleased = false;
  #isDead = false;
  #drainWanted = false;
  #drainDue = false;
  #lost: Loss | undefined;

  protected constructor(link: StreamLink) {
    this.link = link;
    this.#queue = new ByteQueue(link.copies);
    this.#receiveWindow = new ReceiveWindow(link.bounds.streamWindowBytes);
  }

  // What the messages are.

  /** What came may be given on. */
  protected abstract readonly isReadable: boolean;
  /** `isLent`: valid until this returns. */
  protected abstract giveData(chunk: Buffer, isLent: boolean): void;
  protected abstract giveEnd(): void;
  protected abstract giveDrain(): void;
  /** `byPeer`: it said so. */
  protected abstract giveReset(code: number, reason: string, byPeer: boolean): void;
  /** What the connection reads is valid until it was looked at. */
  protected get isLent(): boolean {
    return false;
  }
  /** The message ends with trailers: the last DATA frame does not end the stream. */
  protected get endsWithTrailers(): boolean {
    return false;
  }
  /** Writes what ends the stream when the last DATA frame did not. */
  protected writeEnd(out: FrameBuffer): void {
    out.emptyData(this.id);
  }
  /** Why no DATA of so many bytes may come now; undefined: it may. */
  refuseData(_payloadBytes: number): string | undefined {
    return undefined;
  }
  /** Why the peer's message cannot end here; undefined: it can. */
  refuseEnd(): string | undefined {
    return undefined;
  }

  /** Our message is complete, the peer's is not. */
  protected onEndSent(): void {}

  // Its user's side.

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  get unreadBytes(): number {
    return this.#unread?.bytes ?? 0;
  }

  /** Takes the buffer. False: wait for `giveDrain`. `isLast`: as if `finish` followed. */
  write(chunk: Buffer, isLast = false): boolean {
    if (this.#isDead || this.#isFinished || chunk.length === 0) {
      if (isLast) this.finish();
      return true;
    }
    const { link } = this;
    link.onMoved(chunk.length);
    this.#queue.push(chunk);
    this.#isFinished = isLast;
    link.onQueueChanged(chunk.length);
    if (this.#sendWindowBytes > 0) link.onQueued(this, chunk.length);
    const { bounds } = link;
    if (this.#queue.bytes < bounds.queueHighBytes && link.queuedBytes < bounds.queuedBytes) return true;
    // Everything may have left at once: then there would be no frame that tells of room.
    if (this.#queue.bytes === 0) return true;
    this.#drainWanted = true;
    return false;
  }

  /** As `write`, but the buffer is the caller's again: it goes into a frame at once, or is copied. */
  writeLent(chunk: Buffer): boolean {
    const { length } = chunk;
    if (this.#isDead || this.#isFinished) return true;
    const canFrame = this.#queue.bytes === 0 && length <= this.#sendWindowBytes && length > 0;
    const out = canFrame ? this.link.roomFor(length) : undefined;
    if (out === undefined) return this.#writeCopy(chunk);
    this.link.onMoved(length);
    out.frameHeader(length, FrameType.data, 0, this.id);
    out.raw(chunk);
    this.#sendWindowBytes -= length;
    this.link.onFramed(length);
    return true;
  }

  /** What cannot leave at once stays where it came from: better there than in copies here. */
  #writeCopy(chunk: Buffer): boolean {
    const hasRoom = this.write(this.link.copies.copy(chunk));
    if (this.#queue.bytes < COPIED_BYTES) return hasRoom;
    this.#drainWanted = true;
    return false;
  }

  /** END_STREAM after everything written. */
  protected finish(): void {
    if (this.#isDead || this.#isFinished) return;
    this.#isFinished = true;
    if (this.#queue.bytes === 0 && this.id !== 0) this.#sendEnd();
  }

  reset(code: number): void {
    this.#lost = undefined;
    if (this.#isDead) return;
    this.#die();
    if (this.id !== 0 && !this.#isReleased) this.link.sendReset(this.id, code);
    this.#release();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.unreadBytes > 0) this.link.callSoon(this);
  }

  /** What came meanwhile, or came before anybody was there for it, is given on soon. */
  protected giveSoon(): void {
    if (this.#isDead || this.unreadBytes > 0 || this.#peerEnded) this.link.callSoon(this);
  }

  /** Nothing more will be given, and both sides have said everything. */
  protected dieInOrder(): void {
    this.#die();
    this.#release();
  }

  /** Everything was said in a HEADERS frame with END_STREAM. */
  finishedAtOnce(): void {
    this.#isFinished = true;
    this.#endSent();
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Nothing more may be written. */
  protected get isFinished(): boolean {
    return this.#isFinished;
  }

  protected get isEndSent(): boolean {
    return this.#isEndSent;
  }

  protected get isPaused(): boolean {
    return this.#isPaused;
  }

  // Called by the connection: sending.

  /** It has its place on the wire, and the peer takes so many bytes. */
  opened(id: number, windowBytes: number): void {
    this.id = id;
    this.#sendWindowBytes = windowBytes;
    if (this.canSend) this.link.onQueued(this, this.#queue.bytes);
    else if (this.#isFinished && this.#queue.bytes === 0) this.#sendEnd();
  }

  /** False: the window would exceed what RFC 9113 section 6.9.1 allows. May make it negative (section 6.9.2). */
  growSendWindow(bytes: number): boolean {
    this.#sendWindowBytes += bytes;
    if (this.canSend) this.link.onQueued(this, 0);
    return this.#sendWindowBytes <= MAX_WINDOW_BYTES;
  }

  get canSend(): boolean {
    return this.#queue.bytes > 0 && this.#sendWindowBytes > 0;
  }

  writeData(out: FrameBuffer, maxBytes: number): number {
    const queue = this.#queue;
    const isSliced = out.takesSlices && queue.headBytes >= SLICED_BYTES;
    const length = Math.min(maxBytes, this.#sendWindowBytes, isSliced ? queue.headBytes : queue.bytes);
    const isLast = this.#isFinished && length === queue.bytes;
    const endsHere = isLast && !this.endsWithTrailers;
    const bytes = out.reserve(FRAME_HEADER_BYTES + (isSliced ? 0 : length));
    writeFrameHeader(bytes, out.length, length, FrameType.data, endsHere ? Flag.endStream : 0, this.id);
    out.length += FRAME_HEADER_BYTES;
    if (isSliced) out.slice(queue.shift(length));
    else {
      queue.moveTo(bytes, out.length, length);
      out.length += length;
    }
    this.#sendWindowBytes -= length;
    this.link.onQueueChanged(-length);
    if (isLast) {
      if (!endsHere) this.writeEnd(out);
      this.#endSent();
    } else if (this.#drainWanted && queue.bytes <= this.link.bounds.queueLowBytes) this.#drain();
    return length;
  }

  // Called by the connection: receiving. These may call back.

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
    this.link.onMoved(length);
    const slice = length === chunk.length ? chunk : chunk.subarray(from, to);
    if (this.isReadable && !this.#isPaused && this.unreadBytes === 0) {
      this.#consumed(length);
      this.giveData(slice, this.isLent);
      return;
    }
    this.#unread ??= new ByteQueue();
    if (this.isLent) this.#unread.push(Buffer.from(slice));
    else this.#unread.pushSlice(slice);
    this.link.onUnread(length);
  }

  receiveEnd(): void {
    if (this.#isDead || this.#peerEnded) return;
    this.#peerEnded = true;
    if (this.#isEndSent) this.#release();
    if (this.isReadable && this.unreadBytes === 0) this.#tellEnd();
  }

  /** RST_STREAM came (`byPeer`), or the connection has sent one. */
  receiveReset(code: number, reason: string, byPeer: boolean): void {
    if (this.#isDead) return;
    this.#die();
    this.#release();
    this.giveReset(code, reason, byPeer);
  }

  /** The connection is gone, or will not take the stream: told soon. */
  lose(code: number, reason: string, byPeer: boolean): void {
    if (this.#isDead) return;
    this.#die();
    this.#isReleased = true;
    this.loseSoon(code, reason, byPeer);
  }

  protected loseSoon(code: number, reason: string, byPeer: boolean): void {
    this.#lost = { code, reason, byPeer };
    this.link.callSoon(this);
  }

  /** The peer wants no more of what we send. What it has sent can still be read. */
  protected stopSending(): void {
    this.#isFinished = true;
    this.#isEndSent = true;
    this.#dropQueue();
    if (this.#peerEnded) this.#release();
  }

  /** Whatever could not be told from inside a method. */
  runCallbacks(): void {
    const lost = this.#lost;
    if (lost !== undefined) {
      this.#lost = undefined;
      this.giveReset(lost.code, lost.reason, lost.byPeer);
      return;
    }
    if (this.#drainDue && !this.#isDead) {
      this.#drainDue = false;
      this.giveDrain();
    }
    if (this.isReadable) this.#deliverUnread();
  }

  #deliverUnread(): void {
    const unread = this.#unread;
    while (unread !== undefined && unread.bytes > 0 && !this.#isPaused && !this.#isDead) {
      const chunk = unread.shift(unread.headBytes);
      this.link.onUnread(-chunk.length);
      this.#consumed(chunk.length);
      this.giveData(chunk, false);
    }
    if (this.#peerEnded && !this.#isDead && this.unreadBytes === 0) this.#tellEnd();
  }

  #consumed(bytes: number): void {
    if (this.#peerEnded || this.#isDead) return;
    const credit = this.#receiveWindow.consume(bytes);
    if (credit > 0) this.link.control().windowUpdate(this.id, credit);
  }

  #drain(): void {
    this.#drainWanted = false;
    this.#drainDue = true;
    this.link.callSoon(this);
  }

  #sendEnd(): void {
    this.writeEnd(this.link.control());
    this.#endSent();
  }

  #endSent(): void {
    this.#isEndSent = true;
    if (this.#peerEnded) this.#release();
    else this.onEndSent();
  }

  #tellEnd(): void {
    if (this.#isEndTold) return;
    this.#isEndTold = true;
    this.giveEnd();
  }

  #die(): void {
    this.#isDead = true;
    this.#dropQueue();
    if (this.unreadBytes > 0) this.link.onUnread(-this.unreadBytes);
    this.#unread = undefined;
  }

  #dropQueue(): void {
    if (this.#queue.bytes > 0) this.link.onQueueChanged(-this.#queue.bytes);
    this.#queue.clear();
  }

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.link.onReleased(this);
  }
}
