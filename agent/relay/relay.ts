/**
 * Carries bytes between a pod's TCP socket and a tunnel's stream, both ways, until both directions have ended.
 *
 *   pod socket                         stream
 *   data        ---- write ---->       DATA            (paused while the stream's buffer is full)
 *   FIN         ---- end ------>       END_STREAM      half-close: the other direction goes on
 *   RST         ---- reset ---->       RST_STREAM      never turned into a clean end
 *   write       <--- onData ----       DATA            (coalesced per loop turn; stream paused while the socket is full)
 *   FIN         <--- onEnd -----       END_STREAM
 *   RST         <--- onReset ---       RST_STREAM, dead tunnel
 *
 * The stream may come later than the first bytes (`attach`), and may be replaced as long as the far end has not
 * answered: until `established` everything read is kept as early data.
 */
import { limits, timers } from "../limits.ts";
import type { PodSocket } from "../sockets/pod-socket.ts";
import { readIntoShared } from "../sockets/read-into-shared.ts";
import { resetSocket, resetWhenClosed } from "../sockets/reset-socket.ts";
import { ErrorCode, type StreamHandler, type TunnelStream } from "../tunnel/engine.ts";
import { EarlyData } from "./early-data.ts";
import type { WriteCoalescer } from "./write-coalescer.ts";

/** Why a relay ended. `closed` is the only clean one. */
export type CloseReason =
  | "closed"
  | "reset-by-pod"
  | "reset-by-peer"
  | "idle-timeout"
  | "half-closed-timeout"
  | "stalled-bytes-limit"
  | "drain-deadline"
  | "connect-failed"
  | "refused";

/** Running totals; the two fields are added to on the byte path. */
export interface ByteCounters {
  sentBytes: number;
  receivedBytes: number;
}

/** Of a connection whose protocol nobody said: watches who speaks first. */
export interface FirstSpeaker {
  /** The pod does. True: the owner takes the socket and this chunk; the relay has let go of it. */
  onPod(chunk: Buffer): boolean;
  /** The far end does. */
  onFar(): void;
}

export interface RelayOptions {
  readonly socket: PodSocket;
  readonly writes: WriteCoalescer;
  /** True when the pod is the connection's source (outbound): decides which way counts as sent. */
  readonly podIsSource: boolean;
  /** The answer to CONNECT; the owner calls `established` or attaches another stream. */
  readonly onResponse: (status: number, reason: string | undefined) => void;
  /** The stream died before `established`; the owner may attach another one, or `abort`. */
  readonly onStreamLost: (code: number, reason: string) => void;
  readonly firstSpeaker?: FirstSpeaker;
  /** Once, when the pod's socket is gone. */
  readonly onClosed: (reason: CloseReason, detail: string | undefined) => void;
}

export class Relay implements StreamHandler {
  readonly returnsData = true;
  place: number | undefined;
  sentBytes = 0;
  receivedBytes = 0;
  readonly #options: RelayOptions;
  readonly #socket: PodSocket;
  readonly #podIsSource: boolean;
  #counters: ByteCounters = { sentBytes: 0, receivedBytes: 0 };
  #stream: TunnelStream | undefined;
  #early: EarlyData | undefined = new EarlyData();
  #podEnded = false;
  #streamEnded = false;
  #streamPaused = false;
  #reason: CloseReason = "closed";
  #detail: string | undefined;
  #closed = false;
  #movedBytes = 0;
  #movedMs = 0;
  #firstSpeaker: FirstSpeaker | undefined;
  readonly #listeners = {
    data: (chunk: Buffer): void => this.#podData(chunk),
    end: (): void => this.#podEnd(),
    drain: (): void => this.#podDrain(),
    error: (error: Error): void => this.#podError(error),
    close: (): void => this.#podClosed(),
  };

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#podIsSource = options.podIsSource;
    this.#firstSpeaker = options.firstSpeaker;
  }

  /** Starts reading the pod's socket. `first`: what somebody has read of it before, who may also have seen its end. */
  start(nowMs: number, first?: Buffer): void {
    this.#movedMs = nowMs;
    const socket = this.#socket;
    resetWhenClosed(socket, true);
    const { data, end, drain, error, close } = this.#listeners;
    socket.on("data", data).on("end", end).on("drain", drain).on("error", error).on("close", close);
    if (first !== undefined) this.#podData(first);
    if (socket.readableEnded) this.#podEnd();
  }

  /** Gives the socket up as it is, with nothing lost: nothing has gone either way. */
  letGo(): void {
    this.#closed = true;
    for (const [event, listener] of Object.entries(this.#listeners)) this.#socket.off(event, listener);
    this.#stream?.reset(ErrorCode.cancel);
    this.#stream = undefined;
  }

  /** Sends through this stream from now on, first what was kept. Replaces a stream that failed. */
  attach(stream: TunnelStream): void {
    this.#stream = stream;
    for (const chunk of this.#early?.chunks ?? []) stream.write(chunk);
    if (this.#podEnded) stream.end();
  }

  /** The stream is given up (and reset by its owner) while another one is not there yet. */
  detach(): void {
    this.#stream = undefined;
  }

  /** The far end has the connection: nothing is kept for a replay any more. `counters` are the shared totals. */
  established(counters: ByteCounters): void {
    counters.sentBytes += this.sentBytes;
    counters.receivedBytes += this.receivedBytes;
    this.#counters = counters;
    this.#early?.release();
    this.#early = undefined;
    this.#lendReads();
    this.#socket.resume();
  }

  /** Bytes that the pod sent and the far end may have seen. */
  get sentAnything(): boolean {
    return this.sentBytes + this.receivedBytes > 0;
  }

  get isEstablished(): boolean {
    return this.#early === undefined;
  }

  /** What this connection makes the agent hold, because its readers do not read or there is nobody to read yet. */
  get heldBytes(): number {
    const stream = this.#stream;
    const toPod = this.#socket.writableLength + (stream?.unreadBytes ?? 0);
    return toPod + Math.max(stream?.queuedBytes ?? 0, this.#early?.bytes ?? 0);
  }

  /** Ends both sides with a reset. */
  abort(reason: CloseReason, detail?: string): void {
    if (this.#closed) return;
    this.#fail(reason, detail);
    this.#stream?.reset(ErrorCode.cancel);
    this.#stream = undefined;
    resetSocket(this.#socket);
  }

  /** Called once per sweep: enforces the idle timers without a clock read per chunk. */
  sweep(nowMs: number): void {
    const moved = this.sentBytes + this.receivedBytes;
    if (moved !== this.#movedBytes) {
      this.#movedBytes = moved;
      this.#movedMs = nowMs;
      return;
    }
    const idleMs = nowMs - this.#movedMs;
    if ((this.#podEnded || this.#streamEnded) && idleMs > timers.halfClosedMs) this.abort("half-closed-timeout");
    else if (idleMs > timers.idleConnectionMs) this.abort("idle-timeout");
  }

  // Pod to stream.

  #podData(chunk: Buffer): void {
    if (this.#firstSpeaker !== undefined && this.#podSpeaks(chunk)) return;
    this.#count(chunk.length, this.#podIsSource);
    if (this.#early?.keep(chunk)) this.#socket.pause();
    const stream = this.#stream;
    if (stream === undefined) return;
    if (!stream.write(chunk) && stream.queuedBytes > limits.streamBufferBytes) this.#socket.pause();
  }

  /** The chunk is valid until this returns. */
  #podDataLent(chunk: Buffer): void {
    this.#count(chunk.length, this.#podIsSource);
    const stream = this.#stream;
    if (stream === undefined) return;
    if (!stream.writeLent(chunk)) this.#socket.pause();
  }

  #podSpeaks(chunk: Buffer): boolean {
    const firstSpeaker = this.#firstSpeaker;
    this.#firstSpeaker = undefined;
    if (firstSpeaker?.onPod(chunk) === true) return true;
    this.#lendReads();
    return false;
  }

  #farSpeaks(): void {
    const firstSpeaker = this.#firstSpeaker;
    this.#firstSpeaker = undefined;
    firstSpeaker?.onFar();
    this.#lendReads();
  }

  /** Once nobody can take the socket or keep what is read. */
  #lendReads(): void {
    if (!this.isEstablished || this.#firstSpeaker !== undefined || this.#closed) return;
    readIntoShared(this.#socket, (chunk) => this.#podDataLent(chunk));
  }

  #podEnd(): void {
    this.#podEnded = true;
    this.#stream?.end();
  }

  #podDrain(): void {
    if (!this.#streamPaused) return;
    this.#streamPaused = false;
    this.#stream?.resume();
  }

  #podError(error: Error): void {
    this.#fail("reset-by-pod", error.message);
    this.#stream?.reset(ErrorCode.cancel);
    this.#stream = undefined;
  }

  #podClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!(this.#podEnded && this.#streamEnded)) this.#stream?.reset(ErrorCode.cancel);
    this.#options.onClosed(this.#reason, this.#detail);
  }

  // Stream to pod.

  onResponse(status: number, reason: string | undefined): void {
    this.#options.onResponse(status, reason);
  }

  onData(chunk: Buffer): void {
    if (this.#firstSpeaker !== undefined) this.#farSpeaks();
    this.#count(chunk.length, !this.#podIsSource);
    this.#options.writes.writeLent(this.#socket, chunk);
    if (this.#streamPaused || this.#socket.writableLength <= limits.socketBufferBytes) return;
    this.#streamPaused = true;
    this.#stream?.pause();
  }

  onEnd(): void {
    this.#firstSpeaker = undefined;
    this.#streamEnded = true;
    this.#options.writes.flush();
    resetWhenClosed(this.#socket, false);
    // With nothing left to send or to read, closing says the same as shutting down first, in one call instead of two.
    if (this.#podEnded && this.#socket.writableLength === 0) this.#socket.destroy();
    else this.#socket.end();
  }

  onDrain(): void {
    if (this.#early === undefined || this.#early.bytes < limits.earlyDataBytes) this.#socket.resume();
  }

  onReset(code: number, reason: string): void {
    this.#stream = undefined;
    if (!this.isEstablished) {
      this.#options.onStreamLost(code, reason);
      return;
    }
    this.#fail("reset-by-peer", `${reason} (HTTP/2 error code ${code})`);
    // What came before the peer's end still belongs to the pod. Its own direction is dead: closing the socket after the
    // last byte answers whatever the pod sends from then on with RST, as the kernel of the far end would.
    if (this.#streamEnded) this.#socket.destroySoon();
    else resetSocket(this.#socket);
  }

  #count(bytes: number, sent: boolean): void {
    if (sent) {
      this.sentBytes += bytes;
      this.#counters.sentBytes += bytes;
    } else {
      this.receivedBytes += bytes;
      this.#counters.receivedBytes += bytes;
    }
  }

  /** The first reason is the cause, later ones are consequences. */
  #fail(reason: CloseReason, detail: string | undefined): void {
    if (this.#reason !== "closed") return;
    this.#reason = reason;
    this.#detail = detail;
  }
}
