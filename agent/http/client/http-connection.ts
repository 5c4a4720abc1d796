/**
 * A pod's connection to a Service with routes, until its first bytes tell which version of HTTP it is: those of the HTTP/2
 * preface (RFC 9113 section 3.4) are no request of HTTP/1.1. Then whoever speaks that version has it.
 */
import type { Socket } from "node:net";
import { PREFACE } from "../../http2/frame-format.ts";
import type { CloseReason } from "../../relay/relay.ts";
import { resetSocket, resetWhenClosed } from "../../sockets/reset-socket.ts";
import type { LiveConnection } from "../../worker/connection-registry.ts";
import type { HttpFacts, HttpPlane } from "../http-plane.ts";
import { httpTimers } from "../limits.ts";
import type { RequestRouter } from "../request-router.ts";
import { H1Connection } from "./h1-connection.ts";
import { H2Connection } from "./h2-connection.ts";
import { logClientConnection } from "./log-client-connection.ts";

export interface HttpConnectionOptions {
  readonly plane: HttpPlane;
  readonly socket: Socket;
  readonly facts: HttpFacts;
  readonly router: RequestRouter;
}

export interface ClientConnectionOptions extends HttpConnectionOptions {
  /** When it was accepted, on the monotonic clock. */
  readonly startedMs: number;
}

export class HttpConnection implements LiveConnection {
  readonly #options: HttpConnectionOptions;
  readonly #startedMs: number;
  /** Not enough to tell: the beginning of a preface. */
  #held: Buffer | undefined;
  #isOver = false;
  readonly #listeners = {
    data: (chunk: Buffer): void => this.#read(chunk),
    // Half of a preface is nobody's request.
    end: (): void => this.drain(),
    error: (error: Error): void => this.#end("reset-by-pod", error.message),
    close: (): void => this.#end("closed", undefined),
  };

  constructor(options: HttpConnectionOptions) {
    this.#options = options;
    this.#startedMs = options.plane.clock.monotonicMs();
  }

  /** `first`: what was read of the socket before. */
  start(first?: Buffer): void {
    const { plane, socket, facts } = this.#options;
    plane.connections.add(this, facts.source.address);
    resetWhenClosed(socket, true);
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener);
    if (first !== undefined) this.#read(first);
  }

  // LiveConnection.

  get heldBytes(): number {
    return this.#held?.length ?? 0;
  }

  sweep(nowMs: number): void {
    const mostMs = this.#held === undefined ? httpTimers.idleClientMs : httpTimers.slowHeadMs;
    if (nowMs - this.#startedMs > mostMs) this.drain();
  }

  abort(reason: CloseReason, detail?: string): void {
    this.#end(reason, detail);
    resetSocket(this.#options.socket);
  }

  drain(): void {
    resetWhenClosed(this.#options.socket, false);
    this.#end("closed", undefined);
  }

  #read(chunk: Buffer): void {
    const first = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    const compared = Math.min(first.length, PREFACE.length);
    if (PREFACE.compare(first, 0, compared, 0, compared) !== 0) this.#serve(first, H1Connection);
    else if (compared === PREFACE.length) this.#serve(first, H2Connection);
    else this.#held = first;
  }

  #serve(first: Buffer, Connection: typeof H1Connection | typeof H2Connection): void {
    this.#letGo();
    const connection = new Connection({ ...this.#options, startedMs: this.#startedMs });
    connection.start(first);
  }

  #end(reason: CloseReason, detail: string | undefined): void {
    if (this.#isOver) return;
    const { plane, facts, socket } = this.#options;
    this.#letGo();
    socket.on("error", () => {});
    logClientConnection(plane, facts, {
      startedMs: this.#startedMs,
      requests: 0,
      bytesSent: this.heldBytes,
      bytesReceived: 0,
      reason,
      detail,
    });
    socket.destroy();
  }

  #letGo(): void {
    const { plane, socket } = this.#options;
    this.#isOver = true;
    for (const [event, listener] of Object.entries(this.#listeners)) socket.off(event, listener);
    plane.connections.remove(this);
  }
}
