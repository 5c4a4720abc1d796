/**
 * Turns raw sockets dialled to podIP:15008 into verified server tunnels. One TLS server per local identity, chosen by
 * the address that was dialled: no SNI needed. The servers never listen, sockets are handed to them.
 *
 * A peer must present a certificate that chains to our roots before it may open a stream; whether that identity may
 * come from that address is the caller's `authorize`.
 */
import { createHash } from "node:crypto";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import { limits, timers } from "../limits.ts";
import type { IncomingStream, ServerTunnel } from "./engine.ts";
import { H2ServerTunnel } from "./h2-server-tunnel.ts";
import { checkValidity, identityOfCertificate } from "./spiffe-certificate.ts";
import { ALPN, TLS_SETTINGS, type TlsCredentials } from "./tls-settings.ts";

export interface AcceptorEvents {
  /** The reason why this identity may not come from this address, or undefined. Asked again after a grace period. */
  authorize(peer: { identity: string; address: string }): string | undefined;
  onTunnel(tunnel: ServerTunnel, tls: TLSSocket): void;
  onStream(tunnel: ServerTunnel, stream: IncomingStream): void;
  onTunnelClosed(tunnel: ServerTunnel): void;
  /** TLS failed, the peer is nobody we know, or it may not come from where it comes from. */
  onRefused(address: string, podAddress: string, reason: string): void;
}

export interface AcceptorOptions {
  readonly clock: Clock;
  readonly events: AcceptorEvents;
  /** 48 bytes shared by the agent's workers, so that a session of one can be resumed by another. */
  readonly ticketKeys: Buffer;
}

/** Where a socket came from and went to: kept beside it, because a closed socket forgets. */
interface Origin {
  readonly peerAddress: string;
  readonly podAddress: string;
  readonly podIdentity: string;
  /** The handshake is over, one way or the other. */
  readonly settled: () => void;
}

export class TunnelAcceptor {
  readonly #options: AcceptorOptions;
  readonly #servers = new Map<string, Http2SecureServer>();
  readonly #origins = new WeakMap<Socket, Origin>();
  readonly #tunnels = new Set<H2ServerTunnel>();

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  /** Replaces everything: identities that are gone get no new tunnels, the others continue with the new certificate. */
  setCredentials(credentials: Iterable<TlsCredentials>): void {
    const wanted = new Map([...credentials].map((entry) => [entry.identity, entry]));
    for (const identity of this.#servers.keys()) {
      if (!wanted.has(identity)) this.#servers.delete(identity);
    }
    for (const [identity, entry] of wanted) {
      const server = this.#servers.get(identity);
      if (server === undefined) this.#servers.set(identity, this.#createServer(entry));
      else server.setSecureContext(secureOptions(entry));
    }
  }

  get tunnels(): ReadonlySet<ServerTunnel> {
    return this.#tunnels;
  }

  /**
   * Takes the socket over. False when there is no certificate for `identity` (yet): the caller keeps it. `settled` is
   * called once, when the handshake has ended in whatever way.
   */
  accept(raw: Socket, identity: string, addresses: { peer: string; pod: string }, settled: () => void): boolean {
    const server = this.#servers.get(identity);
    if (server === undefined) return false;
    this.#origins.set(raw, { peerAddress: addresses.peer, podAddress: addresses.pod, podIdentity: identity, settled });
    raw.once("close", settled);
    server.emit("connection", raw);
    return true;
  }

  #createServer(credentials: TlsCredentials): Http2SecureServer {
    const server = createSecureServer({
      ...secureOptions(credentials),
      ALPNProtocols: [ALPN],
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: timers.tlsHandshakeMs,
      ticketKeys: this.#options.ticketKeys,
      // A ticket outlives no certificate: checkValidity runs for resumed sessions too.
      sessionTimeout: 3_600,
      maxSessionMemory: limits.sessionMemoryMb,
      streamResetBurst: limits.streamResetBurst,
      streamResetRate: limits.streamResetsPerSecond,
      // Nothing but h2 is spoken here: do not keep a client that failed to negotiate it.
      unknownProtocolTimeout: 1_000,
      settings: {
        initialWindowSize: limits.streamWindowBytes,
        maxConcurrentStreams: limits.streamsPerTunnel,
        enablePush: false,
      },
    });
    server.on("tlsClientError", (error, tls) => this.#tlsFailed(tls, error));
    server.on("unknownProtocol", (tls) => {
      this.#tlsFailed(tls, new Error("client does not offer ALPN h2"));
      tls.destroy();
    });
    server.on("session", (session) => this.#session(session));
    server.on("sessionError", ignore);
    return server;
  }

  #tlsFailed(tls: TLSSocket, error: Error): void {
    const origin = this.#originOf(tls);
    // A chain that was not accepted is told there, and the error is only that the handshake was broken off.
    const { authorizationError } = tls as { authorizationError?: unknown };
    const detail =
      "code" in error && typeof error.code === "string" ? `${error.code}: ${error.message}` : error.message;
    const reason = typeof authorizationError === "string" ? `${authorizationError}: peer's certificate` : detail;
    this.#options.events.onRefused(origin.peerAddress, origin.podAddress, `TLS handshake failed: ${reason}`);
  }

  #session(session: ServerHttp2Session): void {
    const tls = session.socket as TLSSocket;
    const origin = this.#originOf(tls);
    const { clock, events } = this.#options;
    origin.settled();
    session.on("error", ignore);
    try {
      const certificate = tls.getPeerCertificate();
      const identity = identityOfCertificate(certificate);
      checkValidity(certificate, clock.nowMs());
      this.#opened(session, tls, identity, origin);
      this.#checkPlace(session, identity, origin, timers.tableGraceMs);
    } catch (error) {
      events.onRefused(origin.peerAddress, origin.podAddress, describeError(error));
      session.destroy();
    }
  }

  /**
   * A peer that our table does not know yet gets a moment: its own table may be a step ahead. Its streams wait as well,
   * so nothing is delivered meanwhile.
   */
  #checkPlace(session: ServerHttp2Session, identity: string, origin: Origin, graceMs: number): void {
    const { clock, events } = this.#options;
    const refusal = events.authorize({ identity, address: origin.peerAddress });
    if (refusal === undefined || session.destroyed) return;
    if (graceMs > 0) {
      clock.after(graceMs, () => this.#checkPlace(session, identity, origin, 0));
      return;
    }
    events.onRefused(origin.peerAddress, origin.podAddress, refusal);
    session.destroy();
  }

  #opened(session: ServerHttp2Session, tls: TLSSocket, peerIdentity: string, origin: Origin): void {
    const { clock, events } = this.#options;
    session.setLocalWindowSize(limits.tunnelWindowBytes);
    const tunnel: H2ServerTunnel = new H2ServerTunnel({
      session,
      socket: rawSocketOf(tls) ?? tls,
      peerIdentity,
      peerAddress: origin.peerAddress,
      podAddress: origin.podAddress,
      podIdentity: origin.podIdentity,
      clock,
      onStream: (stream) => events.onStream(tunnel, stream),
      onClosed: () => {
        this.#tunnels.delete(tunnel);
        events.onTunnelClosed(tunnel);
      },
    });
    this.#tunnels.add(tunnel);
    events.onTunnel(tunnel, tls);
  }

  #originOf(tls: TLSSocket): Origin {
    const raw = rawSocketOf(tls);
    const known = raw === undefined ? undefined : this.#origins.get(raw);
    const { remoteAddress: peerAddress = "unknown", localAddress: podAddress = "unknown" } = tls;
    return known ?? { peerAddress, podAddress, podIdentity: "unknown", settled: ignore };
  }
}

/** `_parent` is the socket that was wrapped, with the same addresses, which it forgets when it is closed. */
function rawSocketOf(tls: TLSSocket): Socket | undefined {
  return (tls as TLSSocket & { _parent?: Socket })._parent;
}

/**
 * A session is resumed only for the identity and under the roots for which it was made: a root that was taken away takes
 * its sessions with it, on every worker alike.
 */
function secureOptions({ identity, keyPem, chainPem, rootsPem }: TlsCredentials) {
  const sessionIdContext = createHash("sha256").update(`${identity}\n${rootsPem}`).digest("hex").slice(0, 32);
  return { ...TLS_SETTINGS, key: keyPem, cert: chainPem, ca: rootsPem, sessionIdContext };
}

function ignore(): void {}
