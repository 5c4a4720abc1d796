/**
 * Both ends of tunnels of one engine on loopback, over real TCP and TLS: a listener that hands raw sockets to the
 * acceptor, and a dialler. Everything that the engine reports is remembered.
 */
import { randomBytes } from "node:crypto";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import type { ClientTunnel, IncomingStream, ServerTunnel } from "../../agent/tunnel/engine.ts";
import type { ClientTunnelOptions, Negotiated, TlsSession } from "../../agent/tunnel/h2-client-tunnel.ts";
import type { TunnelError } from "../../agent/tunnel/tunnel-error.ts";
import { TLS_SETTINGS, type TlsCredentials } from "../../agent/tunnel/tls-settings.ts";
import type { AcceptorOptions } from "../../agent/tunnel/tunnel-acceptor.ts";
import { eventually } from "./eventually.ts";
import { FakeClock } from "./fake-clock.ts";
import { TestAuthority } from "./test-authority.ts";

export const CLIENT_IDENTITY = "spiffe://cluster.local/ns/shop/sa/client";
export const SERVER_IDENTITY = "spiffe://cluster.local/ns/shop/sa/server";

/** What a second engine has to give to be run through the contract. */
export interface TunnelEngine {
  readonly name: string;
  dial(options: ClientTunnelOptions): ClientTunnel & { start(): void };
  acceptor(options: AcceptorOptions): {
    setCredentials(credentials: Iterable<TlsCredentials>): void;
    accept(raw: Socket, identity: string, addresses: { peer: string; pod: string }, settled: () => void): boolean;
    readonly tunnels: ReadonlySet<ServerTunnel>;
  };
}

export interface DialOptions {
  readonly credentials?: TlsCredentials;
  readonly expectedIdentity?: string;
  readonly tlsSession?: TlsSession | undefined;
  readonly port?: number;
}

/** A dialled tunnel and what it reported. */
export interface Dialled {
  readonly tunnel: ClientTunnel;
  readonly socket: Socket;
  readonly tlsSessions: TlsSession[];
  /** `open`, `draining`, `closed`, `closed <code>`. */
  readonly events: string[];
  negotiated: Negotiated | undefined;
  error: TunnelError | undefined;
}

export class TunnelWorld {
  readonly clock = new FakeClock(Date.now());
  readonly authority: TestAuthority;
  readonly client: TlsCredentials;
  readonly server: TlsCredentials;
  readonly refusals: string[] = [];
  readonly streams: IncomingStream[] = [];
  readonly tunnels: ServerTunnel[] = [];
  closedTunnels = 0;
  settledHandshakes = 0;
  /** Takes every incoming stream as soon as it comes, besides `streams`. */
  onStream: ((stream: IncomingStream) => void) | undefined;
  authorize: () => string | undefined = () => undefined;
  port = 0;
  readonly acceptor: ReturnType<TunnelEngine["acceptor"]>;
  readonly #engine: TunnelEngine;
  readonly #listener: Server;
  readonly #sockets = new Set<Socket>();
  readonly #closers: (() => void)[] = [];

  private constructor(engine: TunnelEngine, authority: TestAuthority, client: TlsCredentials, server: TlsCredentials) {
    this.#engine = engine;
    this.authority = authority;
    this.client = client;
    this.server = server;
    this.acceptor = engine.acceptor({
      clock: this.clock,
      ticketKeys: randomBytes(48),
      events: {
        authorize: () => this.authorize(),
        onTunnel: (tunnel) => this.tunnels.push(tunnel),
        onStream: (_tunnel, stream) => {
          this.streams.push(stream);
          this.onStream?.(stream);
        },
        onTunnelClosed: () => {
          this.closedTunnels += 1;
        },
        onRefused: (_address, _pod, reason) => this.refusals.push(reason),
      },
    });
    this.acceptor.setCredentials([server]);
    this.#listener = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  static async create(engine: TunnelEngine): Promise<TunnelWorld> {
    const authority = await TestAuthority.create();
    const client = await authority.issue(CLIENT_IDENTITY);
    const world = new TunnelWorld(engine, authority, client, await authority.issue(SERVER_IDENTITY));
    await new Promise<void>((resolve) => {
      world.#listener.listen(0, "127.0.0.1", resolve);
    });
    world.port = (world.#listener.address() as AddressInfo).port;
    return world;
  }

  /** Begins a tunnel; see `open` for one that is waited for. */
  dial(options: DialOptions = {}): Dialled {
    const socket = connect({ host: "127.0.0.1", port: options.port ?? this.port, allowHalfOpen: true, noDelay: true });
    this.#track(socket);
    const events: string[] = [];
    const tlsSessions: TlsSession[] = [];
    const tunnel = this.#engine.dial({
      socket,
      secureContext: secureContextOf(options.credentials ?? this.client),
      expectedIdentity: options.expectedIdentity ?? SERVER_IDENTITY,
      tlsSession: options.tlsSession,
      clock: this.clock,
      onOpen: (negotiated) => {
        dialled.negotiated = negotiated;
        events.push("open");
      },
      onTlsSession: (session) => tlsSessions.push(session),
      onDraining: () => events.push("draining"),
      onClosed: (error) => {
        dialled.error = error;
        events.push(error === undefined ? "closed" : `closed ${error.code}`);
      },
    });
    const dialled: Dialled = { tunnel, socket, tlsSessions, events, negotiated: undefined, error: undefined };
    tunnel.start();
    return dialled;
  }

  async open(options: DialOptions = {}): Promise<Dialled> {
    const dialled = this.dial(options);
    await eventually("tunnel opens or fails", () => dialled.events.length > 0);
    if (dialled.error !== undefined) throw dialled.error;
    return dialled;
  }

  /** The stream that comes next. */
  async nextStream(): Promise<IncomingStream> {
    return await eventually("a stream comes in", () => this.streams.shift());
  }

  /** Sockets of both ends that this world still holds. */
  get openSockets(): number {
    return this.#sockets.size;
  }

  /** Called by `close`. */
  onClose(callback: () => void): void {
    this.#closers.push(callback);
  }

  /** Cuts every connection as a dying process would. */
  close(): void {
    this.#listener.close();
    for (const closer of this.#closers) closer();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#track(socket);
    const addresses = { peer: socket.remoteAddress ?? "", pod: socket.localAddress ?? "" };
    const taken = this.acceptor.accept(socket, SERVER_IDENTITY, addresses, () => {
      this.settledHandshakes += 1;
    });
    if (!taken) socket.destroy();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

export function secureContextOf({ keyPem, chainPem, rootsPem }: TlsCredentials): SecureContext {
  return createSecureContext({ ...TLS_SETTINGS, key: keyPem, cert: chainPem, ca: rootsPem });
}
