/**
 * A plain TCP connection in the shape of a tunnel's stream, for endpoints that are reached without a tunnel: on this
 * node, or (permissive mode) on a node without an agent. "Answers 200" when it is connected.
 */
import { limits } from "../limits.ts";
import type { PodSocket } from "../sockets/pod-socket.ts";
import { resetSocket, resetWhenClosed } from "../sockets/reset-socket.ts";
import { ErrorCode, type StreamHandler, type TunnelStream } from "../tunnel/engine.ts";

export class PlainStream implements TunnelStream {
  readonly #socket: PodSocket;
  #over = false;

  constructor(socket: PodSocket, handler: StreamHandler) {
    this.#socket = socket;
    resetWhenClosed(socket, true);
    socket.once("connect", () => this.#tell(() => handler.onResponse(200, undefined)));
    socket.on("data", (chunk: Buffer) => this.#tell(() => handler.onData(chunk)));
    socket.on("end", () => this.#tell(() => handler.onEnd()));
    socket.on("drain", () => this.#tell(() => handler.onDrain()));
    socket.on("error", (error: Error) =>
      this.#tell(() => {
        this.#over = true;
        handler.onReset(ErrorCode.connect, error.message);
      }),
    );
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  get unreadBytes(): number {
    return this.#socket.readableLength;
  }

  write(chunk: Buffer): boolean {
    return this.#socket.write(chunk);
  }

  writeLent(chunk: Buffer): boolean {
    return this.#socket.write(Buffer.from(chunk)) || this.queuedBytes <= limits.streamBufferBytes;
  }

  end(): void {
    resetWhenClosed(this.#socket, false);
    this.#socket.end();
  }

  reset(): void {
    this.#over = true;
    resetSocket(this.#socket);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  #tell(callback: () => void): void {
    if (!this.#over) callback();
  }
}
