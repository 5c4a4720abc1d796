/**
 * The two engines that carry tunnels, by name. `framing` is our own, made for speed; `node-http2` is the reference it is
 * held against (the same contract suite, and mixed ends), and the way out should it ever misbehave with some peer.
 */
import type { Socket } from "node:net";
import type { ClientTunnel, ServerTunnel } from "./engine.ts";
import type { EngineName } from "./engine-name.ts";
import { FramingAcceptor } from "./framing/framing-acceptor.ts";
import { FramingClientTunnel } from "./framing/framing-client-tunnel.ts";
import { type ClientTunnelOptions, H2ClientTunnel } from "./h2-client-tunnel.ts";
import type { TlsCredentials } from "./tls-settings.ts";
import { type AcceptorOptions, TunnelAcceptor } from "./tunnel-acceptor.ts";

/** A tunnel that was given a socket; `start` begins the handshakes. */
export type DialledTunnel = ClientTunnel & { start(): void };

/** Makes verified tunnels of accepted sockets. */
export interface Acceptor {
  setCredentials(credentials: Iterable<TlsCredentials>): void;
  readonly tunnels: ReadonlySet<ServerTunnel>;
  accept(raw: Socket, identity: string, addresses: { peer: string; pod: string }, settled: () => void): boolean;
}

export interface Engine {
  createTunnel(options: ClientTunnelOptions): DialledTunnel;
  createAcceptor(options: AcceptorOptions): Acceptor;
}

const ENGINES: Readonly<Record<EngineName, Engine>> = {
  framing: {
    createTunnel: (options) => new FramingClientTunnel(options),
    createAcceptor: (options) => new FramingAcceptor(options),
  },
  "node-http2": {
    createTunnel: (options) => new H2ClientTunnel(options),
    createAcceptor: (options) => new TunnelAcceptor(options),
  },
};

export function engineOf(name: EngineName): Engine {
  return ENGINES[name];
}
