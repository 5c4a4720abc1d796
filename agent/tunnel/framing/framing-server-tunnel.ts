/** The accepting end of a tunnel, over our own framing: one connection of a verified peer towards one local pod. */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock, Timer } from "../../../core/clock.ts";
import { Heartbeat } from "../../http2/heartbeat.ts";
import type { Http2Error } from "../../http2/http2-error.ts";
import { timers } from "../../limits.ts";
import { type ConnectRequest, ErrorCode, type IncomingStream, type ServerTunnel } from "../engine.ts";
import type { StreamHandler, TunnelStream } from "../engine.ts";
import { Connection } from "./connection.ts";
import type { FramingStream } from "./framing-stream.ts";

import { lingerThenDestroy } from "./linger.ts";
import type { IncomingRequest } from "./read-message.ts";
import type { Headers } from "./write-connect.ts";

export interface FramingServerTunnelOptions {
  readonly tls: TLSSocket;
  /** The accepted socket beneath TLS: closed by force when the peer no longer answers. */
  readonly socket: Socket;
  readonly peerIdentity: string;
  readonly peerAddress: string;
  readonly podAddress: string;
  readonly podIdentity: string;
  readonly clock: Clock;
  readonly onStream: (stream: IncomingStream) => void;
  readonly onClosed: () => void;
}

export class FramingServerTunnel implements ServerTunnel {
  readonly peerIdentity: string;
  readonly peerAddress: string;
  readonly podAddress: string;
  readonly podIdentity: string;
  readonly #options: FramingServerTunnelOptions;
  readonly #connection: Connection;
  readonly #heartbeat: Heartbeat;
  #isDraining = false;
  #isGone = false;
  #closeTimer: Timer | undefined;

  constructor(options: FramingServerTunnelOptions) {
    this.peerIdentity = options.peerIdentity;
    this.peerAddress = options.peerAddress;
    this.podAddress = options.podAddress;
    this.podIdentity = options.podIdentity;
    this.#options = options;
    const { tls, clock } = options;
    this.#connection = new Connection({
      socket: tls,
      role: "server",
      clock,
      events: {
        onRequest: (stream, request) => options.onStream(new FramingIncomingStream(stream, request)),
        onStreamGone: () => this.#closeWhenEmpty(),
        // The peer opens no more streams and closes after the last one.
        onGoaway: () => {},
        onPong: () => this.#heartbeat.pong(),
        onFailed: (error) => this.#protocolBroken(error),
      },
    });
    this.#heartbeat = new Heartbeat({
      clock,
      ping: () => this.#connection.ping(),
      onDead: () => this.#gone(`no answer to PING for ${timers.pingTimeoutMs} ms`, false),
      onBeat: () => true,
    });
  }

  /** From here on streams come. */
  start(): void {
    const { tls } = this.#options;
    tls.on("error", ignore);
    tls.once("end", () => this.#ended());
    tls.once("close", () => this.#closed());
    this.#heartbeat.start();
    this.#connection.start();
  }

  get openStreams(): number {
    return this.#connection.openStreams;
  }

  drain(): void {
    if (this.#isDraining || this.#isGone) return;
    this.#isDraining = true;
    this.#connection.goaway(ErrorCode.noError);
    this.#closeWhenEmpty();
  }

  destroy(reason: string): void {
    this.#gone(reason, true);
  }

  /** The connection closes when what is left to say was sent and the peer closes too: a dead one must not hold it. */
  #closeWhenEmpty(): void {
    if (!this.#isDraining || this.openStreams > 0 || this.#closeTimer !== undefined || this.#isGone) return;
    this.#connection.finish();
    this.#closeTimer = this.#options.clock.after(timers.pingTimeoutMs, () => this.#gone("peer does not close", false));
  }

  /** The peer says no more: with streams open it did not mean to. */
  #ended(): void {
    if (this.openStreams > 0) this.#gone("peer closed the connection", false);
    // Node ends our side too.
    else this.#connection.abandon(ErrorCode.noError, "peer closed the connection", false);
  }

  #protocolBroken(error: Http2Error): void {
    const { tls, socket, clock } = this.#options;
    if (this.#isGone) return;
    this.#isGone = true;
    this.#heartbeat.stop();
    this.#connection.abandon(error.wireCode, error.message, true);
    lingerThenDestroy(tls, socket, clock);
  }

  #gone(reason: string, lastWords: boolean): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#heartbeat.stop();
    this.#connection.abandon(ErrorCode.cancel, reason, lastWords);
    this.#options.tls.destroy();
    this.#options.socket.destroy();
  }

  #closed(): void {
    this.#closeTimer?.cancel();
    this.#gone("peer closed the connection", false);
    this.#options.onClosed();
  }
}

class FramingIncomingStream implements IncomingStream {
  readonly method: string;
  readonly request: ConnectRequest;
  readonly #stream: FramingStream;

  constructor(stream: FramingStream, request: IncomingRequest) {
    this.method = request.method;
    this.request = request;
    this.#stream = stream;
  }

  accept(headers: Headers, handler: StreamHandler): TunnelStream {
    this.#stream.accept(headers, handler);
    return this.#stream;
  }

  refuse(status: number, headers: Headers): void {
    this.#stream.refuse(status, headers);
  }

  reset(code: number): void {
    this.#stream.reset(code);
  }

  onAbort(callback: () => void): void {
    this.#stream.onAbort(callback);
  }
}

function ignore(): void {}
