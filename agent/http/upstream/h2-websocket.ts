/** The stream of a WebSocket that an endpoint has accepted over HTTP/2: bytes, in the shape that a 101 leaves. */
import type { RequestStream, RequestStreamHandler, StreamReset } from "../../http2/request-stream.ts";
import type { ByteCounters } from "../../relay/relay.ts";
import type { StreamHandler, TunnelStream } from "../../tunnel/engine.ts";
import type { UpgradedConnection } from "../request-carrier.ts";

const EMPTY = Buffer.alloc(0);

export class H2WebSocket implements UpgradedConnection, TunnelStream, RequestStreamHandler {
  readonly #stream: RequestStream;
  readonly #onOver: () => void;
  #relay: StreamHandler | undefined;

  constructor(stream: RequestStream, onOver: () => void) {
    this.#stream = stream;
    this.#onOver = onOver;
  }

  // UpgradedConnection.

  handOver(relay: StreamHandler): { readonly stream: TunnelStream; readonly counters: ByteCounters } {
    this.#relay = relay;
    this.#stream.setHandler(this);
    // Its connection counts what it carries by itself.
    return { stream: this, counters: { sentBytes: 0, receivedBytes: 0 } };
  }

  relayEnded(): void {
    this.#onOver();
  }

  // TunnelStream.

  get queuedBytes(): number {
    return this.#stream.queuedBytes;
  }

  get unreadBytes(): number {
    return this.#stream.unreadBytes;
  }

  write(chunk: Buffer): boolean {
    return this.#stream.sendData(chunk, false);
  }

  writeLent(chunk: Buffer): boolean {
    return this.write(Buffer.from(chunk));
  }

  end(): void {
    this.#stream.sendData(EMPTY, true);
  }

  reset(code: number): void {
    this.#stream.reset(code);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  // RequestStreamHandler.

  onHeaders(): void {}

  onData(chunk: Buffer): void {
    this.#relay?.onData(chunk);
  }

  onEnd(): void {
    this.#relay?.onEnd();
  }

  onDrain(): void {
    this.#relay?.onDrain();
  }

  onReset({ code, detail }: StreamReset): void {
    this.#relay?.onReset(code, detail);
  }
}
