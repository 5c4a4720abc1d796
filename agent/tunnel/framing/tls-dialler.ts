/**
 * TCP, then TLS of a dialled tunnel: who the peer must be, resumption, and a limit on the time of each step.
 *
 *   connecting --connect--> handshake --peer verified, ALPN h2--> secure
 *        \______________________\_______________________________-> failed
 */
import type { Socket } from "node:net";
import { connect as tlsConnect, type SecureContext, type TLSSocket } from "node:tls";
import type { Clock, Timer } from "../../../core/clock.ts";
import { timers } from "../../limits.ts";
import type { Negotiated, TlsSession } from "../h2-client-tunnel.ts";
import { verifyServerIdentity } from "../spiffe-certificate.ts";
import { ALPN, TLS_SETTINGS } from "../tls-settings.ts";
import type { TunnelErrorCode } from "../tunnel-error.ts";

export interface TlsDiallerOptions {
  /** Connecting or connected. */
  readonly socket: Socket;
  readonly secureContext: SecureContext;
  readonly expectedIdentity: string;
  readonly tlsSession: TlsSession | undefined;
  readonly clock: Clock;
  readonly onSecure: (tls: TLSSocket, negotiated: Negotiated) => void;
  readonly onTlsSession: (session: TlsSession) => void;
  /** Also after `onSecure`: the connection is gone. */
  readonly onFailed: (code: Exclude<TunnelErrorCode, "tunnel-closed">, cause: unknown) => void;
}

export class TlsDialler {
  readonly #options: TlsDiallerOptions;
  #timer: Timer | undefined;
  #tls: TLSSocket | undefined;
  #isStopped = false;
  /** End of the validity of what the peer proved. */
  #peerNotAfterMs = 0;

  constructor(options: TlsDiallerOptions) {
    this.#options = options;
  }

  start(): void {
    const { socket, clock, onFailed } = this.#options;
    this.#timer = clock.after(timers.tcpConnectMs, () => onFailed("tcp-connect-failed", "no answer in time"));
    socket.on("error", (error) => onFailed("tcp-connect-failed", error));
    socket.once("close", () => onFailed("tls-handshake-failed", "connection closed"));
    if (socket.connecting) socket.once("connect", () => this.#startTls());
    else this.#startTls();
  }

  /** Closes whatever there is. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#tls?.destroy();
    this.#options.socket.destroy();
  }

  #startTls(): void {
    const { socket, secureContext, expectedIdentity, clock, onFailed } = this.#options;
    if (this.#isStopped) return;
    this.#timer?.cancel();
    this.#timer = clock.after(timers.tlsHandshakeMs, () => onFailed("tls-handshake-failed", "not finished in time"));
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
    tls.on("error", (error) => onFailed("tls-handshake-failed", error));
    // The dialled socket allows half-open connections, and so does TLS over it; HTTP/2 has no use for one.
    tls.once("end", () => onFailed("tls-handshake-failed", "peer closed the connection"));
    tls.on("session", (ticket: Buffer) => this.#ticket(ticket));
    tls.once("secureConnect", () => this.#secured(tls, tlsSession));
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

  #secured(tls: TLSSocket, tlsSession: TlsSession | undefined): void {
    if (this.#isStopped) return;
    this.#timer?.cancel();
    if (tls.alpnProtocol !== ALPN) {
      this.#options.onFailed("tls-handshake-failed", `peer speaks ${tls.alpnProtocol || "no ALPN protocol"}, not h2`);
      return;
    }
    // For a session that was not resumed, checkServerIdentity has accepted the certificate.
    const resumed = tls.isSessionReused() ? tlsSession : undefined;
    this.#peerNotAfterMs = resumed?.notAfterMs ?? Date.parse(tls.getPeerCertificate().valid_to);
    this.#options.onSecure(tls, negotiated(tls));
  }
}

function negotiated(tls: TLSSocket): Negotiated {
  const group = tls.getEphemeralKeyInfo();
  return {
    tlsVersion: tls.getProtocol() ?? "unknown",
    cipher: tls.getCipher().name,
    keyExchange: group !== null && "name" in group && group.name !== undefined ? group.name : "unknown",
    resumed: tls.isSessionReused(),
  };
}
