/**
 * A pod's TCP connection right on Node's handle, without the streams of `net.Socket`, which cost a new connection more than
 * what they are used for. Everything is read into the thread's shared buffer. Half-open always, with the events of `net.Socket`.
 *
 *   connecting --> open --(FIN of the pod: `end`)--(`end()`: FIN of ours)--> over
 *        \__________\_______________(error, `destroy`)____________________-> over: `error`, `close`
 */
import { EventEmitter } from "node:events";
import { isIPv6, Socket, type SocketConstructorOpts } from "node:net";
import { getSystemErrorName } from "node:util";
import { formatHostPort } from "../../routing/address.ts";
import { shutdownSocket } from "./libc.ts";
import type { PodSocket } from "./pod-socket.ts";
import { SHARED_READ_BUFFER } from "./shared-read-buffer.ts";
import type { PendingWrite, SocketName, TcpHandle, TcpInternals } from "./tcp-internals.ts";

/** libuv's word for the end of a stream (UV_EOF). */
const END_OF_FILE = -4095;

export class RawSocket extends EventEmitter implements PodSocket {
  readonly #internals: TcpInternals;
  /** Undefined: it is over. */
  #handle: TcpHandle | undefined;
  #connecting = false;
  #reads: "not yet" | "stopped" | "started" = "not yet";
  #hasBuffer = false;
  /** Takes what is read, which is lent. */
  #lend: ((chunk: Buffer) => void) | undefined;
  #waiting: Buffer[] = [];
  #isWriting = false;
  #isEnding = false;
  #hasEnded = false;
  #closesWhenWritten = false;
  #local: SocketName | undefined;
  #remote: SocketName | undefined;
  readableEnded = false;
  writableLength = 0;
  writableCorked = 0;
  /** Nothing is read that is not given at once. */
  readonly readableLength = 0;

  /** Owns the handle, of a connection that is there. */
  constructor(internals: TcpInternals, handle: TcpHandle) {
    super();
    this.#internals = internals;
    this.#handle = handle;
  }

  /** Takes the descriptor over, of a socket that is to `connect`. Throws when the kernel or libuv refuses: it is the caller's then. */
  static open(internals: TcpInternals, fd: number): RawSocket {
    const handle = internals.createHandle();
    const refused = handle.open(fd);
    if (refused === 0) return new RawSocket(internals, handle);
    handle.close();
    throw errorOf(refused, "open");
  }

  /** The same connection as a stream, before anything was read; this object is over then. */
  toStream(): Socket {
    const handle = this.#handle;
    this.#handle = undefined;
    // Node's types do not know of `handle`, by which net.Server makes its sockets.
    return new Socket({ handle, allowHalfOpen: true, readable: true, writable: true } as SocketConstructorOpts);
  }

  get fd(): number {
    return this.#handle?.fd ?? -1;
  }

  get destroyed(): boolean {
    return this.#handle === undefined;
  }

  get localAddress(): string | undefined {
    return this.#localName()?.address;
  }

  get localPort(): number | undefined {
    return this.#localName()?.port;
  }

  get remoteAddress(): string | undefined {
    return this.#remoteName()?.address;
  }

  get remotePort(): number | undefined {
    return this.#remoteName()?.port;
  }

  override on(event: string, listener: Parameters<EventEmitter["on"]>[1]): this {
    super.on(event, listener);
    if (event === "data" && this.#reads === "not yet") this.resume();
    return this;
  }

  /** From here on what is read is given to this, valid until it returns, and not emitted as `data`. */
  lendReads(onChunk: (chunk: Buffer) => void): void {
    this.#lend = onChunk;
  }

  resume(): void {
    if (this.#reads === "started") return;
    this.#reads = "started";
    if (this.#handle !== undefined && !this.#connecting && !this.readableEnded) this.#startReading(this.#handle);
  }

  pause(): void {
    this.#reads = "stopped";
    this.#handle?.readStop();
  }

  isPaused(): boolean {
    return this.#reads === "stopped";
  }

  setKeepAlive(enable: boolean, idleMs: number): void {
    this.#handle?.setKeepAlive(enable, Math.round(idleMs / 1_000));
  }

  cork(): void {
    this.writableCorked += 1;
  }

  uncork(): void {
    if (this.writableCorked > 0) this.writableCorked -= 1;
    if (this.writableCorked === 0) this.#flush();
  }

  write(chunk: Buffer): boolean {
    if (this.#handle === undefined || this.#isEnding) return true;
    this.writableLength += chunk.length;
    this.#waiting.push(chunk);
    if (this.writableCorked === 0) this.#flush();
    return !this.#isWriting;
  }

  end(): void {
    this.#isEnding = true;
    this.writableCorked = 0;
    this.#flush();
  }

  destroySoon(): void {
    this.#closesWhenWritten = true;
    this.end();
  }

  destroy(error?: Error): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    this.#handle = undefined;
    this.#waiting = [];
    this.writableLength = 0;
    handle.close();
    process.nextTick(tellEnd, this, error);
  }

  /** Once. Emits `connect`, or `error` and `close`. */
  connect(address: string, port: number): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    this.#connecting = true;
    const request = this.#internals.createConnectRequest();
    const failed = (errno: number): void => this.#fail(errno, "connect", ` ${formatHostPort(address, port)}`);
    request.oncomplete = (status) => {
      if (this.#handle === undefined) return;
      this.#connecting = false;
      if (status !== 0) {
        failed(status);
        return;
      }
      if (this.#reads === "started") this.#startReading(handle);
      this.emit("connect");
      this.#flush();
    };
    const refused = isIPv6(address) ? handle.connect6(request, address, port) : handle.connect(request, address, port);
    if (refused !== 0) failed(refused);
  }

  #startReading(handle: TcpHandle): void {
    if (!this.#hasBuffer) {
      this.#hasBuffer = true;
      handle.onread = () => this.#read(this.#internals.readBytes());
      handle.useUserBuffer(SHARED_READ_BUFFER);
    }
    const refused = handle.readStart();
    if (refused !== 0) this.#fail(refused, "read");
  }

  #read(bytes: number): void {
    if (this.#handle === undefined || bytes === 0) return;
    if (bytes > 0) {
      const chunk = SHARED_READ_BUFFER.subarray(0, bytes);
      if (this.#lend === undefined) this.emit("data", Buffer.from(chunk));
      else this.#lend(chunk);
    } else if (bytes === END_OF_FILE) {
      this.readableEnded = true;
      this.emit("end");
      this.#closeWhenOver();
    } else this.#fail(bytes, "read");
  }

  #flush(): void {
    if (this.#isWriting || this.#handle === undefined || this.#connecting) return;
    if (this.#waiting.length > 0) this.#writeWaiting(this.#handle);
    if (this.#isEnding && !this.#isWriting) this.#finish();
  }

  #writeWaiting(handle: TcpHandle): void {
    const chunks = this.#waiting;
    const bytes = this.writableLength;
    this.#waiting = [];
    const [chunk] = chunks;
    const pending =
      chunks.length === 1 && chunk !== undefined ? handle.writeBuffer(null, chunk) : handle.writev(null, chunks, true);
    if (typeof pending !== "number") this.#await(pending, chunks, bytes);
    else if (pending === 0) this.writableLength = 0;
    else this.#fail(pending, "write");
  }

  #await(pending: PendingWrite, chunks: readonly Buffer[], bytes: number): void {
    const error = this.#internals.writeError();
    if (error !== 0) {
      this.#fail(error, "write");
      return;
    }
    this.#isWriting = true;
    pending.buffer = chunks;
    pending.oncomplete = (status) => {
      this.#isWriting = false;
      if (this.#handle === undefined) return;
      if (status < 0) {
        this.#fail(status, "write");
        return;
      }
      this.writableLength -= bytes;
      this.#flush();
      if (this.writableLength === 0) this.emit("drain");
    };
  }

  /** Everything is written, and nothing more comes. */
  #finish(): void {
    if (this.#hasEnded || this.#handle === undefined) return;
    this.#hasEnded = true;
    // With nothing to read closing says the same.
    if (!this.#closesWhenWritten && !this.readableEnded) shutdownSocket(this.#handle.fd);
    this.#closeWhenOver();
  }

  #closeWhenOver(): void {
    if (this.#hasEnded && (this.readableEnded || this.#closesWhenWritten)) this.destroy();
  }

  #fail(errno: number, call: string, where = ""): void {
    this.destroy(errorOf(errno, call, where));
  }

  #localName(): SocketName | undefined {
    this.#local ??= nameOf((out) => this.#handle?.getsockname(out));
    return this.#local;
  }

  #remoteName(): SocketName | undefined {
    this.#remote ??= nameOf((out) => this.#handle?.getpeername(out));
    return this.#remote;
  }
}

/** Undefined: the connection is gone. */
function nameOf(read: (out: SocketName) => number | undefined): SocketName | undefined {
  const name: SocketName = { address: "", family: "", port: 0 };
  return read(name) === 0 ? name : undefined;
}

function tellEnd(socket: RawSocket, error: Error | undefined): void {
  if (error !== undefined) socket.emit("error", error);
  socket.emit("close");
}

/** In Node's words. */
function errorOf(errno: number, call: string, where = ""): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`${call} ${code}${where}`), { code, errno });
}
