/**
 * The two engines that carry tunnels, by name. `framing` is our own, made for speed; `node-http2` is the reference it is
 * held against (the same contract suite, and mixed ends), and the way out should it ever misbehave with some peer.
 */
import type { Socket } from "node:net";
import type { ClientTunnel, ServerTunnel } from "./engine.ts";
import type { EngineName } from "./engine-name.ts";
import type { ClientTunnelOptions } from "./h2-client-tunnel.ts";
import type { TlsCredentials } from "./tls-settings.ts";
import type { AcceptorOptions } from "./tunnel-acceptor.ts";

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

/** Only the one that is asked for is loaded: node:http2 alone costs every thread 2 MB. */
export async function loadEngine(name: EngineName): Promise<Engine> {
  if (name === "framing") return (await import("./framing/framing-engine.ts")).framingEngine;
  return (await import("./node-http2-engine.ts")).nodeHttp2Engine;
}
