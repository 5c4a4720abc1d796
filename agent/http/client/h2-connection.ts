/**
 * A pod's HTTP/2 connection, served request by request: its streams are exchanges, each decided and balanced on its own.
 *
 *   serving --drain, idle: GOAWAY--> draining --last stream--> closed
 *      \---------------------------------\---the client leaves, breaks the protocol, or is aborted--> closed
 */
import type { Socket } from "node:net";
import type { FrameBuffer } from "../../http2/frame-buffer.ts";
import { type Http2Error, WIRE_CODE } from "../../http2/http2-error.ts";
import { RequestConnection } from "../../http2/request-connection.ts";
import type {
  ConnectionEnd,
  RequestConnectionEvents,
  RequestMessage,
  RequestStream,
  RequestStreamHandler,
} from "../../http2/request-stream.ts";
import type { FrameTarget } from "../../http2/turn-writer.ts";
import type { CloseReason } from "../../relay/relay.ts";
import { resetSocket, resetWhenClosed } from "../../sockets/reset-socket.ts";
import type { LiveConnection } from "../../worker/connection-registry.ts";
import { httpTimers } from "../limits.ts";
import { H2Exchange } from "./h2-exchange.ts";
import type { ClientConnectionOptions } from "./http-connection.ts";
import { logClientConnection } from "./log-client-connection.ts";

export class H2Connection implements LiveConnection, FrameTarget, RequestConnectionEvents {
  readonly #options: ClientConnectionOptions;
  readonly #connection: RequestConnection;
  readonly #exchanges = new Set<H2Exchange>();
  readonly #totals = { sentBytes: 0, receivedBytes: 0 };
  #requests = 0;
  #isClosed = false;
  #reason: CloseReason = "closed";
  #detail: string | undefined;

  constructor(options: ClientConnectionOptions) {
    const { clock } = options.plane;
    this.#options = options;
    this.#connection = new RequestConnection({ role: "server", target: this, clock, events: this });
  }

  /** `first`: what was read to tell the version. */
  start(first: Buffer): void {
    const { plane, socket, facts } = this.#options;
    plane.connections.add(this, facts.source.address);
    resetWhenClosed(socket, true);
    socket.on("data", (chunk: Buffer) => this.#connection.receive(chunk));
    socket.on("end", () => this.#lost("the client closed the connection"));
    socket.on("error", (error) => this.#lost(error.message));
    socket.on("close", () => this.#closed());
    this.#connection.start();
    this.#connection.receive(first);
    if (plane.connections.isDraining) this.drain();
  }

  // LiveConnection.

  get heldBytes(): number {
    let bytes = this.#connection.heldBytes + this.#options.socket.writableLength;
    for (const exchange of this.#exchanges) bytes += exchange.heldBytes;
    return bytes;
  }

  sweep(nowMs: number): void {
    this.#connection.sweep(nowMs);
    for (const exchange of this.#exchanges) exchange.sweep(nowMs);
    const { idleSinceMs } = this.#connection;
    if (idleSinceMs !== undefined && nowMs - idleSinceMs > httpTimers.idleClientMs) this.drain();
  }

  abort(reason: CloseReason, detail?: string): void {
    if (this.#isClosed) return;
    this.#fail(reason, detail);
    this.#endExchanges("aborted", detail ?? reason);
    resetSocket(this.#options.socket);
  }

  drain(): void {
    if (!this.#connection.isDraining) this.#connection.goaway(true);
  }

  // FrameTarget.

  send(out: FrameBuffer, sent: () => void): void {
    this.#options.socket.write(out.written, sent);
  }

  end(): void {
    resetWhenClosed(this.#options.socket, false);
    this.#options.socket.end();
  }

  // RequestConnectionEvents.

  onRequest(stream: RequestStream, request: RequestMessage, endStream: boolean): RequestStreamHandler {
    const { plane, facts, router } = this.#options;
    this.#requests += 1;
    const exchange = new H2Exchange({
      plane,
      facts,
      router,
      stream,
      request,
      endStream,
      totals: this.#totals,
      onOver: (over) => this.#exchanges.delete(over),
    });
    this.#exchanges.add(exchange);
    exchange.start();
    return exchange;
  }

  onMalformed({ code, message }: Http2Error): void {
    const { plane, facts } = this.#options;
    plane.metrics.refused("malformed-request");
    const record = { event: "malformed-request", service: facts.service.key, source: facts.source.address, code, message };
    plane.log.info(record, "Request refused that is no HTTP/2");
  }

  onRoom(): void {}

  onDraining(): void {}

  onLimit(name: string): void {
    this.#options.plane.metrics.limitHit(name);
  }

  onClosed({ detail, error }: ConnectionEnd): void {
    if (error !== undefined) {
      this.#fail("refused", `${error.code}: ${error.message}`);
      this.#options.plane.metrics.refused(error.code);
    }
    this.#endExchanges("client-gone", detail);
  }

  #lost(detail: string): void {
    if (this.#isClosed) return;
    if (this.#exchanges.size > 0) this.#fail("reset-by-pod", detail);
    this.#endExchanges("client-gone", detail);
    this.#connection.lost(detail, false);
    this.#options.socket.destroy();
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#lost("the client closed the connection");
    this.#isClosed = true;
    const { plane, facts, startedMs } = this.#options;
    plane.connections.remove(this);
    logClientConnection(plane, facts, {
      startedMs,
      requests: this.#requests,
      bytesSent: this.#totals.sentBytes,
      bytesReceived: this.#totals.receivedBytes,
      reason: this.#reason,
      detail: this.#detail,
    });
  }

  #endExchanges(reason: "client-gone" | "aborted", detail: string): void {
    for (const exchange of [...this.#exchanges]) exchange.gone(reason, detail);
  }

  /** The first reason is the cause, later ones are consequences. */
  #fail(reason: CloseReason, detail: string | undefined): void {
    if (this.#reason !== "closed") return;
    this.#reason = reason;
    this.#detail = detail;
  }
}
