/**
 * The dialling end of a tunnel, over our own framing.
 *
 *   connecting --(TCP, TLS, peer verified)--> open --(GOAWAY or drain)--> draining --(last stream)--> closed
 *        \______________(any failure)____________\________________________________\_______________-> closed
 */
import type { TLSSocket } from "node:tls";
import type { Timer } from "../../../core/clock.ts";
import { describeError } from "../../../core/errors.ts";
import { Heartbeat } from "../../http2/heartbeat.ts";
import type { Http2Error } from "../../http2/http2-error.ts";
import { timers } from "../../limits.ts";
import { type ClientTunnel, type ConnectRequest, ErrorCode } from "../engine.ts";
import type { StreamHandler, TunnelState, TunnelStream } from "../engine.ts";
import type { ClientTunnelOptions, Negotiated } from "../h2-client-tunnel.ts";
import { TunnelError, type TunnelErrorCode } from "../tunnel-error.ts";
import { Connection } from "./connection.ts";
import { lingerThenDestroy } from "./linger.ts";
import { TlsDialler } from "./tls-dialler.ts";

export class FramingClientTunnel implements ClientTunnel {
  readonly #options: ClientTunnelOptions;
  readonly #dialler: TlsDialler;
  readonly #heartbeat: Heartbeat;
  #state: TunnelState = "connecting";
  #tls: TLSSocket | undefined;
  #connection: Connection | undefined;
  #closeTimer: Timer | undefined;
  #idleSinceMs = 0;

  constructor(options: ClientTunnelOptions) {
    this.#options = options;
    this.#dialler = new TlsDialler({
      ...options,
      onSecure: (tls, negotiated) => this.#secured(tls, negotiated),
      onFailed: (code, cause) => this.#connectionFailed(code, cause),
    });
    this.#heartbeat = new Heartbeat({
      clock: options.clock,
      ping: () => this.#connection?.ping(),
      onDead: () => this.#fail("tunnel-closed", `no answer to PING for ${timers.pingTimeoutMs} ms`),
      onBeat: (nowMs) => this.#beat(nowMs),
    });
  }

  /** Begins the handshakes; the outcome comes through `onOpen` or `onClosed`. */
  start(): void {
    this.#dialler.start();
  }

  get state(): TunnelState {
    return this.#state;
  }

  get openStreams(): number {
    return this.#connection?.openStreams ?? 0;
  }

  get load(): number {
    return this.#connection?.load.read(this.#options.clock.monotonicMs()) ?? 0;
  }

  get maxStreams(): number {
    return this.#connection?.maxStreams ?? 0;
  }

  openStream(request: ConnectRequest, handler: StreamHandler): TunnelStream {
    const connection = this.#connection;
    if (connection === undefined || this.#state !== "open") {
      throw new TunnelError("tunnel-closed", `Cannot open a stream on a tunnel that is ${this.#state}`);
    }
    const stream = connection.openStream(request, handler);
    if (connection.isExhausted) this.drain();
    return stream;
  }

  drain(): void {
    if (this.#state !== "open") return;
    this.#state = "draining";
    this.#options.onDraining();
    this.#closeWhenEmpty();
  }

  destroy(reason: string): void {
    this.#fail("tunnel-closed", reason);
  }

  #secured(tls: TLSSocket, negotiated: Negotiated): void {
    if (this.#state !== "connecting") return;
    this.#tls = tls;
    this.#connection = new Connection({
      socket: tls,
      role: "client",
      clock: this.#options.clock,
      events: {
        // The connection lets no server open a stream.
        onRequest: () => {},
        onStreamGone: () => this.#streamGone(),
        onGoaway: () => this.drain(),
        onPong: () => this.#heartbeat.pong(),
        onFailed: (error) => this.#protocolBroken(error),
      },
    });
    this.#state = "open";
    this.#idleSinceMs = this.#options.clock.monotonicMs();
    this.#heartbeat.start();
    this.#connection.start();
    this.#options.onOpen(negotiated);
  }

  #beat(nowMs: number): boolean {
    if (this.openStreams > 0 || nowMs - this.#idleSinceMs < timers.idleTunnelMs) return true;
    this.drain();
    return false;
  }

  #streamGone(): void {
    if (this.openStreams > 0) return;
    this.#idleSinceMs = this.#options.clock.monotonicMs();
    this.#closeWhenEmpty();
  }

  /** Ends the connection in order; a peer that no longer answers must not hold it. */
  #closeWhenEmpty(): void {
    if (this.#state !== "draining" || this.openStreams > 0 || this.#closeTimer !== undefined) return;
    this.#connection?.goaway(ErrorCode.noError);
    this.#connection?.finish();
    this.#closeTimer = this.#options.clock.after(timers.pingTimeoutMs, () => this.destroy("peer does not close"));
  }

  /** The connection is gone: in order, if that was to come. */
  #connectionFailed(code: TunnelErrorCode, cause: unknown): void {
    if (this.#state === "draining" && this.openStreams === 0) this.#closed(undefined);
    else this.#fail(this.#state === "connecting" ? code : "tunnel-closed", cause);
  }

  #protocolBroken(error: Http2Error): void {
    if (this.#state === "closed") return;
    this.#connection?.abandon(error.wireCode, error.message, true);
    if (this.#tls !== undefined) lingerThenDestroy(this.#tls, this.#options.socket, this.#options.clock);
    this.#settle(new TunnelError("tunnel-closed", "Tunnel lost, the peer broke HTTP/2", { cause: error }));
  }

  #fail(code: TunnelErrorCode, cause: unknown): void {
    this.#closed(new TunnelError(code, `${MESSAGES[code]}: ${describeError(cause)}`));
  }

  #closed(error: TunnelError | undefined): void {
    if (this.#state === "closed") return;
    this.#connection?.abandon(ErrorCode.cancel, error?.message ?? "tunnel closed", error !== undefined);
    this.#dialler.stop();
    this.#settle(error);
  }

  #settle(error: TunnelError | undefined): void {
    this.#state = "closed";
    this.#heartbeat.stop();
    this.#closeTimer?.cancel();
    this.#options.onClosed(error);
  }
}

const MESSAGES = {
  "tcp-connect-failed": "Cannot reach port 15008 of the pod, check the agent of its node and NetworkPolicies",
  "tls-handshake-failed": "TLS handshake with the pod's agent failed",
  "tunnel-closed": "Tunnel lost",
} as const;
