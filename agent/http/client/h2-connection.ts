/**
 * A pod's HTTP/2 connection, served request by request: its streams are exchanges, each decided and balanced on its own.
 *
 *   serving --drain, idle: GOAWAY--> draining --last stream--> closed
 *      \---------------------------------\---the client leaves, breaks the protocol, or is aborted--> closed
 */
import type { Http2Error } from "../../http2/http2-error.ts";
import { RequestConnection } from "../../http2/request-connection.ts";
import type {
  ByteTransport,
  ConnectionEnd,
  RequestConnectionEvents,
  RequestMessage,
  RequestStream,
  RequestStreamHandler,
} from "../../http2/request-stream.ts";
import { PlainStream } from "../../relay/plain-stream.ts";
import type { CloseReason } from "../../relay/relay.ts";
import { resetSocket } from "../../sockets/reset-socket.ts";
import type { StreamHandler } from "../../tunnel/engine.ts";
import type { LiveConnection } from "../../worker/connection-registry.ts";
import { httpTimers } from "../limits.ts";
import { H2Exchange } from "./h2-exchange.ts";
import type { ClientConnectionOptions } from "./http-connection.ts";
import { logClientConnection } from "./log-client-connection.ts";
import type { OpenStream } from "./open-stream.ts";

export class H2Connection implements LiveConnection, ByteTransport, StreamHandler, RequestConnectionEvents {
  readonly #options: ClientConnectionOptions;
  readonly #connection: RequestConnection;
  readonly #openStreams = new Set<OpenStream>();
  readonly #stream: PlainStream;
  #sentBytes = 0;
  #receivedBytes = 0;
  #requests = 0;
  #isClosed = false;
  #reason: CloseReason = "closed";
  #detail: string | undefined;

  constructor(options: ClientConnectionOptions) {
    const { plane, socket } = options;
    this.#options = options;
    this.#connection = new RequestConnection({ role: "server", clock: plane.clock, events: this });
    this.#stream = new PlainStream(socket, this);
  }

  /** `first`: what was read to tell the version. */
  start(first: Buffer): void {
    const { plane, socket, facts } = this.#options;
    plane.connections.add(this, facts.source.address);
    socket.on("close", () => this.#closed());
    this.#connection.start(this);
    this.onData(first);
    if (plane.connections.isDraining) this.drain();
  }

  // LiveConnection.

  get heldBytes(): number {
    let bytes = this.#connection.heldBytes + this.#options.socket.writableLength;
    for (const stream of this.#openStreams) bytes += stream.heldBytes;
    return bytes;
  }

  sweep(nowMs: number): void {
    this.#connection.sweep(nowMs);
    for (const stream of this.#openStreams) stream.sweep(nowMs);
    const { idleSinceMs } = this.#connection;
    if (idleSinceMs !== undefined && nowMs - idleSinceMs > httpTimers.idleClientMs) this.drain();
  }

  abort(reason: CloseReason, detail?: string): void {
    if (this.#isClosed) return;
    this.#fail(reason, detail);
    for (const stream of [...this.#openStreams]) stream.connectionLost(reason, detail ?? reason);
    this.#connection.lost(detail ?? reason, false);
    resetSocket(this.#options.socket);
  }

  drain(): void {
    if (!this.#connection.isDraining) this.#connection.goaway(true);
  }

  // ByteTransport.

  get queuedBytes(): number {
    return this.#stream.queuedBytes;
  }

  write(chunk: Buffer): boolean {
    this.#receivedBytes += chunk.length;
    return this.#stream.write(chunk);
  }

  end(): void {
    this.#stream.end();
  }

  reset(): void {
    this.#stream.reset();
  }

  // StreamHandler.

  onResponse(): void {}

  onData(chunk: Buffer): void {
    this.#sentBytes += chunk.length;
    this.#connection.onData(chunk);
  }

  onEnd(): void {
    this.#left("the client closed the connection");
    this.#connection.onEnd();
  }

  onDrain(): void {
    this.#connection.onDrain();
  }

  onReset(code: number, reason: string): void {
    this.#left(reason);
    this.#connection.onReset(code, reason);
  }

  // RequestConnectionEvents.

  onRequest(stream: RequestStream, request: RequestMessage, endStream: boolean): RequestStreamHandler {
    const { plane, facts, router } = this.#options;
    this.#requests += 1;
    const openStreams = this.#openStreams;
    const exchange = new H2Exchange({ plane, facts, router, stream, request, endStream, openStreams });
    exchange.start();
    return exchange;
  }

  onMalformed({ code, message }: Http2Error): void {
    const { plane, facts } = this.#options;
    plane.metrics.refused("malformed-request");
    const record = {
      event: "malformed-request",
      service: facts.service.key,
      source: facts.source.address,
      code,
      message,
    };
    plane.log.info(record, "Request refused that is no HTTP/2");
  }

  onSettings(): void {}

  onRoom(): void {}

  onDraining(): void {}

  onLimit(name: string): void {
    this.#options.plane.metrics.limitHit(name);
  }

  onClosed({ error }: ConnectionEnd): void {
    if (error === undefined) return;
    this.#fail("refused", `${error.code}: ${error.message}`);
    this.#options.plane.metrics.refused(error.code);
  }

  /** The client leaves: before its answers have come, or after. */
  #left(detail: string): void {
    if (this.#openStreams.size > 0) this.#fail("reset-by-pod", detail);
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#connection.lost("the client closed the connection", false);
    this.#isClosed = true;
    const { plane, facts, startedMs } = this.#options;
    plane.connections.remove(this);
    logClientConnection(plane, facts, {
      startedMs,
      requests: this.#requests,
      bytesSent: this.#sentBytes,
      bytesReceived: this.#receivedBytes,
      reason: this.#reason,
      detail: this.#detail,
    });
  }

  /** The first reason is the cause, later ones are consequences. */
  #fail(reason: CloseReason, detail: string | undefined): void {
    if (this.#reason !== "closed") return;
    this.#reason = reason;
    this.#detail = detail;
  }
}
