/**
 * The dialling end of a tunnel, over node:http2.
 *
 *   connecting --(TCP, TLS, peer verified)--> open --(GOAWAY or drain)--> draining --(last stream)--> closed
 *        \______________(any failure)____________\________________________________\_______________-> closed
 *
 * What a loop turn's streams write is sent with one TLS record and one system call: node:http2 collects the frames
 * and flushes them in setImmediate.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import type { Socket } from "node:net";
import { connect as tlsConnect, type SecureContext, type TLSSocket } from "node:tls";
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import { limits, timers } from "../limits.ts";
import type { ClientTunnel, ConnectRequest, StreamHandler, TunnelState, TunnelStream } from "./engine.ts";
import { H2Stream } from "./h2-stream.ts";
import { LoadMeter } from "./load-meter.ts";
import { verifyServerIdentity } from "./spiffe-certificate.ts";
import { ALPN, TLS_SETTINGS } from "./tls-settings.ts";
import { TunnelError, type TunnelErrorCode } from "./tunnel-error.ts";

/** What the handshake agreed on, for metrics and logs. */
export interface Negotiated {
  readonly tlsVersion: string;
  readonly cipher: string;
  readonly keyExchange: string;
  readonly resumed: boolean;
}

/**
 * What resumes an earlier TLS session. Node does not tell the peer's certificate for a resumed session at the client's
 * end, so what it said is kept beside the ticket. Holds a secret.
 */
export interface TlsSession {
  readonly ticket: Buffer;
  /** SPIFFE ID that the peer proved when the session began. */
  readonly identity: string;
  /** End of that certificate's validity. */
  readonly notAfterMs: number;
}

export interface ClientTunnelOptions {
  /** A connecting or connected socket to podIP:15008; the tunnel owns it. */
  readonly socket: Socket;
  readonly secureContext: SecureContext;
  /** SPIFFE ID that the table gives for the destination; anything else is refused. */
  readonly expectedIdentity: string;
  /** A session of an earlier tunnel to the same pod. */
  readonly tlsSession: TlsSession | undefined;
  readonly clock: Clock;
  readonly onOpen: (negotiated: Negotiated) => void;
  /** For later tunnels; may come more than once. */
  readonly onTlsSession: (session: TlsSession) => void;
  readonly onDraining: () => void;
  /** Once. `error` is absent after an orderly end. */
  readonly onClosed: (error: TunnelError | undefined) => void;
}

export class H2ClientTunnel implements ClientTunnel {
  readonly #options: ClientTunnelOptions;
  readonly #load = new LoadMeter();
  #state: TunnelState = "connecting";
  #session: ClientHttp2Session | undefined;
  #tls: TLSSocket | undefined;
  #openStreams = 0;
  #handshakeTimer: Timer | undefined;
  #pingTimer: Timer | undefined;
  #closeTimer: Timer | undefined;
  #pongDueMs = Number.POSITIVE_INFINITY;
  #idleSinceMs = 0;
  /** End of the validity of what the peer proved. */
  #peerNotAfterMs = 0;

  constructor(options: ClientTunnelOptions) {
    this.#options = options;
  }

  /** Begins the handshakes; the outcome comes through `onOpen` or `onClosed`. */
  start(): void {
    const { socket, clock } = this.#options;
    this.#handshakeTimer = clock.after(timers.tcpConnectMs, () =>
      this.#fail("tcp-connect-failed", "no answer in time"),
    );
    socket.on("error", (error) => this.#fail("tcp-connect-failed", error));
    if (socket.connecting) socket.once("connect", () => this.#startTls());
    else this.#startTls();
  }

  get state(): TunnelState {
    return this.#state;
  }

  get openStreams(): number {
    return this.#openStreams;
  }

  get load(): number {
    return this.#load.read(this.#options.clock.monotonicMs());
  }

  /** How many streams the peer allows at once. */
  get maxStreams(): number {
    const peers = this.#session?.remoteSettings.maxConcurrentStreams ?? limits.streamsPerTunnel;
    return Math.min(peers, limits.streamsPerTunnel);
  }

  openStream(request: ConnectRequest, handler: StreamHandler): TunnelStream {
    if (this.#session === undefined || this.#state !== "open") {
      throw new TunnelError("tunnel-closed", `Cannot open a stream on a tunnel that is ${this.#state}`);
    }
    const h2 = this.#session.request(
      { ":method": "CONNECT", ":authority": request.authority, ...request.headers },
      { endStream: false },
    );
    this.#openStreams += 1;
    h2.once("close", () => this.#streamClosed());
    return this.#wrap(h2, handler);
  }

  drain(): void {
    if (this.#state !== "open") return;
    this.#state = "draining";
    this.#options.onDraining();
    if (this.#openStreams === 0) this.#close();
  }

  destroy(reason: string): void {
    this.#fail("tunnel-closed", reason);
  }

  #wrap(h2: ClientHttp2Stream, handler: StreamHandler): TunnelStream {
    const stream = new H2Stream(h2, handler, this.#load);
    h2.once("response", (headers) => {
      const status = headers[":status"] ?? 0;
      const reason = headers["hawser-reason"];
      handler.onResponse(status, typeof reason === "string" ? reason : undefined);
      stream.startReading();
    });
    return stream;
  }

  #startTls(): void {
    const { socket, secureContext, expectedIdentity, clock } = this.#options;
    if (this.#state === "closed") return;
    this.#handshakeTimer?.cancel();
    this.#handshakeTimer = clock.after(timers.tlsHandshakeMs, () =>
      this.#fail("tls-handshake-failed", "not finished in time"),
    );
    const tlsSession = this.#usableSession();
    const tls = tlsConnect({
      ...TLS_SETTINGS,
      socket,
      secureContext,
      ALPNProtocols: [ALPN],
      rejectUnauthorized: true,
      checkServerIdentity: (_host, certificate) => verifyServerIdentity(certificate, expectedIdentity, clock.nowMs()),
      ...(tlsSession === undefined ? {} : { session: tlsSession.ticket }),
    });
    this.#tls = tls;
    tls.on("error", (error) => this.#lost(error));
    // The dialled socket allows half-open connections, and so does TLS over it; HTTP/2 has no use for one.
    tls.once("end", () => this.#lost("peer closed the connection"));
    tls.on("session", (ticket: Buffer) => this.#ticket(ticket));
    tls.once("secureConnect", () => this.#startHttp2(tls, tlsSession));
  }

  /** The peer of a session that is resumed proves only that it is the peer of then: that has to be enough. */
  #usableSession(): TlsSession | undefined {
    const { tlsSession, expectedIdentity, clock } = this.#options;
    if (tlsSession?.identity !== expectedIdentity || clock.nowMs() >= tlsSession.notAfterMs) return undefined;
    return tlsSession;
  }

  #ticket(ticket: Buffer): void {
    const { expectedIdentity: identity, onTlsSession } = this.#options;
    if (this.#peerNotAfterMs > 0) onTlsSession({ ticket, identity, notAfterMs: this.#peerNotAfterMs });
  }

  #startHttp2(tls: TLSSocket, tlsSession: TlsSession | undefined): void {
    if (this.#state === "closed") return;
    if (tls.alpnProtocol !== ALPN) {
      this.#fail("tls-handshake-failed", `peer speaks ${tls.alpnProtocol || "no ALPN protocol"}, not h2`);
      return;
    }
    // For a session that was not resumed, checkServerIdentity has accepted the certificate.
    const resumed = tls.isSessionReused() ? tlsSession : undefined;
    this.#peerNotAfterMs = resumed?.notAfterMs ?? Date.parse(tls.getPeerCertificate().valid_to);
    const session = connect("https://hbone", {
      createConnection: () => tls,
      maxSessionMemory: limits.sessionMemoryMb,
      peerMaxConcurrentStreams: limits.streamsPerTunnel,
      settings: { enablePush: false, initialWindowSize: limits.streamWindowBytes },
    });
    this.#session = session;
    session.on("error", (error) => this.#fail("tunnel-closed", error));
    session.once("connect", () => this.#opened(session, tls));
    session.once("goaway", () => this.drain());
    session.once("close", () => this.#lost("peer closed the tunnel"));
  }

  #opened(session: ClientHttp2Session, tls: TLSSocket): void {
    if (this.#state !== "connecting") return;
    this.#handshakeTimer?.cancel();
    this.#state = "open";
    session.setLocalWindowSize(limits.tunnelWindowBytes);
    this.#idleSinceMs = this.#options.clock.monotonicMs();
    this.#pingTimer = this.#options.clock.every(timers.pingMs, () => this.#ping(session));
    this.#options.onOpen(negotiated(tls));
  }

  #ping(session: ClientHttp2Session): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs >= this.#pongDueMs) {
      this.#fail("tunnel-closed", `no answer to PING for ${timers.pingTimeoutMs} ms`);
      return;
    }
    if (this.#openStreams === 0 && nowMs - this.#idleSinceMs >= timers.idleTunnelMs) {
      this.drain();
      return;
    }
    if (this.#pongDueMs !== Number.POSITIVE_INFINITY || session.destroyed) return;
    this.#pongDueMs = nowMs + timers.pingTimeoutMs;
    session.ping((error) => {
      if (error === null) this.#pongDueMs = Number.POSITIVE_INFINITY;
    });
  }

  #streamClosed(): void {
    this.#openStreams -= 1;
    if (this.#openStreams > 0) return;
    this.#idleSinceMs = this.#options.clock.monotonicMs();
    if (this.#state === "draining") this.#close();
  }

  /** Ends the session in order; a peer that no longer answers must not hold it. */
  #close(): void {
    this.#session?.close();
    this.#closeTimer ??= this.#options.clock.after(timers.pingTimeoutMs, () => this.destroy("peer does not close"));
  }

  /** The connection is gone: in order, if that was to come. */
  #lost(cause: unknown): void {
    if (this.#state === "draining" && this.#openStreams === 0) this.#closed(undefined);
    else this.#fail(this.#state === "connecting" ? "tls-handshake-failed" : "tunnel-closed", cause);
  }

  #fail(code: TunnelErrorCode, cause: unknown): void {
    const message = code === "tunnel-closed" ? "Tunnel lost" : MESSAGES[code];
    this.#closed(new TunnelError(code, `${message}: ${describeError(cause)}`));
  }

  #closed(error: TunnelError | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#handshakeTimer?.cancel();
    this.#pingTimer?.cancel();
    this.#closeTimer?.cancel();
    // The code reaches the streams: with NO_ERROR those of the peer would look as if they had ended in order.
    if (error === undefined) this.#session?.destroy();
    else this.#session?.destroy(error, constants.NGHTTP2_CANCEL);
    this.#tls?.destroy();
    this.#options.socket.destroy();
    this.#options.onClosed(error);
  }
}

const MESSAGES = {
  "tcp-connect-failed": "Cannot reach port 15008 of the pod, check the agent of its node and NetworkPolicies",
  "tls-handshake-failed": "TLS handshake with the pod's agent failed",
} as const;

function negotiated(tls: TLSSocket): Negotiated {
  const group = tls.getEphemeralKeyInfo();
  return {
    tlsVersion: tls.getProtocol() ?? "unknown",
    cipher: tls.getCipher().name,
    keyExchange: group !== null && "name" in group && group.name !== undefined ? group.name : "unknown",
    resumed: tls.isSessionReused(),
  };
}
