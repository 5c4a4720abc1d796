/** Any stream of Node as the transport of an HTTP/2 connection. */
import type { Duplex } from "node:stream";
import type { ByteTransport, Http2RequestConnection } from "../../agent/http2/request-stream.ts";

export class DuplexTransport implements ByteTransport {
  readonly #duplex: Duplex;

  constructor(duplex: Duplex) {
    this.#duplex = duplex;
  }

  /** What comes goes to the connection, what it writes to the stream. */
  static connect(duplex: Duplex, connection: Http2RequestConnection): void {
    duplex.on("data", (chunk: Buffer) => connection.onData(chunk));
    duplex.on("end", () => connection.onEnd());
    duplex.on("drain", () => connection.onDrain());
    duplex.on("error", (error) => connection.onReset(8, error.message));
    connection.start(new DuplexTransport(duplex));
  }

  get queuedBytes(): number {
    return this.#duplex.writableLength;
  }

  write(chunk: Buffer): boolean {
    return this.#duplex.write(chunk);
  }

  cork(): void {
    this.#duplex.cork();
  }

  uncork(): void {
    this.#duplex.uncork();
  }

  end(): void {
    this.#duplex.end();
  }

  reset(): void {
    this.#duplex.destroy();
  }
}
