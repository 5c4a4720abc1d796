/**
 * Turns raw sockets dialled to podIP:15008 into verified server tunnels over our own framing. One TLS server per local
 * identity, chosen by the address that was dialled: no SNI needed. The servers never listen, sockets are handed to them.
 *
 * A peer must present a certificate that chains to our roots before it may open a stream; whether that identity may
 * come from that address is the caller's `authorize`.
 */
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { describeError } from "../../../core/errors.ts";
import { timers } from "../../limits.ts";
import type { ServerTunnel } from "../engine.ts";
import { checkValidity, identityOfCertificate } from "../spiffe-certificate.ts";
import { ALPN, TLS_SETTINGS, type TlsCredentials } from "../tls-settings.ts";
import type { AcceptorOptions } from "../tunnel-acceptor.ts";
import { FramingServerTunnel } from "./framing-server-tunnel.ts";

/** Where a socket came from and went to: kept beside it, because a closed socket forgets. */
interface Origin {
  readonly peerAddress: string;
  readonly podAddress: string;
  readonly podIdentity: string;
  /** The handshake is over, one way or the other. */
  readonly settled: () => void;
}

export class FramingAcceptor {
  readonly #options: AcceptorOptions;
  readonly #servers = new Map<string, Server>();
  readonly #origins = new WeakMap<Socket, Origin>();
  readonly #tunnels = new Set<FramingServerTunnel>();

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

  #createServer(credentials: TlsCredentials): Server {
    const server = createServer({
      ...secureOptions(credentials),
      ALPNProtocols: [ALPN],
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: timers.tlsHandshakeMs,
      ticketKeys: this.#options.ticketKeys,
      // A ticket outlives no certificate: checkValidity runs for resumed sessions too.
      sessionTimeout: 3_600,
    });
    server.on("tlsClientError", (error, tls) => this.#tlsFailed(tls, error));
    server.on("secureConnection", (tls) => this.#secured(tls));
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

  #secured(tls: TLSSocket): void {
    const origin = this.#originOf(tls);
    const { clock, events } = this.#options;
    tls.on("error", ignore);
    origin.settled();
    if (tls.alpnProtocol !== ALPN) {
      this.#tlsFailed(tls, new Error("client does not offer ALPN h2"));
      tls.destroy();
      return;
    }
    try {
      const certificate = tls.getPeerCertificate();
      const identity = identityOfCertificate(certificate);
      checkValidity(certificate, clock.nowMs());
      this.#checkPlace(this.#opened(tls, identity, origin), timers.tableGraceMs);
    } catch (error) {
      events.onRefused(origin.peerAddress, origin.podAddress, describeError(error));
      tls.destroy();
    }
  }

  /**
   * A peer that our table does not know yet gets a moment: its own table may be a step ahead. Its streams wait as well,
   * so nothing is delivered meanwhile.
   */
  #checkPlace(tunnel: FramingServerTunnel, graceMs: number): void {
    const { clock, events } = this.#options;
    const refusal = events.authorize({ identity: tunnel.peerIdentity, address: tunnel.peerAddress });
    if (refusal === undefined || !this.#tunnels.has(tunnel)) return;
    if (graceMs > 0) {
      clock.after(graceMs, () => this.#checkPlace(tunnel, 0));
      return;
    }
    events.onRefused(tunnel.peerAddress, tunnel.podAddress, refusal);
    tunnel.destroy(refusal);
  }

  #opened(tls: TLSSocket, peerIdentity: string, origin: Origin): FramingServerTunnel {
    const { clock, events } = this.#options;
    const tunnel: FramingServerTunnel = new FramingServerTunnel({
      tls,
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
    tunnel.start();
    events.onTunnel(tunnel, tls);
    return tunnel;
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
