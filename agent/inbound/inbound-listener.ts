/**
 * Accepts what the rules hand over of port 15008 of local pods, and turns it into verified tunnels.
 *
 * Everything a stranger can make us hold is bounded before the first byte is read: handshakes under way in all and per
 * address, tunnels per peer.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { normalizeAddress } from "../../routing/address.ts";
import { type LimitName, limits, timers } from "../limits.ts";
import { dialledAddress } from "../sockets/dialled-address.ts";
import { listenOn } from "../sockets/listen-on.ts";
import { resetSocket } from "../sockets/reset-socket.ts";
import type { ServerTunnel } from "../tunnel/engine.ts";
import type { Acceptor, Engine } from "../tunnel/engines.ts";
import type { AcceptorEvents } from "../tunnel/tunnel-acceptor.ts";
import type { TlsCredentials } from "../tunnel/tls-settings.ts";
import type { DataPlane } from "../worker/data-plane.ts";
import { InboundConnection } from "./inbound-connection.ts";
import { refusePeer } from "./peer-check.ts";

export interface InboundOptions {
  readonly plane: DataPlane;
  readonly ticketKeys: Buffer;
  readonly engine: Engine;
}

export class InboundListener {
  readonly #plane: DataPlane;
  readonly #acceptor: Acceptor;
  readonly #servers: Server[] = [];
  readonly #handshakes = new Map<string, number>();
  readonly #tunnels = new Map<string, number>();
  #pendingHandshakes = 0;
  #nextLimitLogMs = 0;
  #unloggedRefusals = 0;

  constructor(options: InboundOptions) {
    this.#plane = options.plane;
    this.#acceptor = options.engine.createAcceptor({
      clock: options.plane.clock,
      ticketKeys: options.ticketKeys,
      events: this.#events(),
    });
  }

  /** `fd`: a transparent listening socket; taken over. */
  async listen(fd: number): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.accept(socket));
    this.#servers.push(server);
    await listenOn(server, fd, (error) => {
      this.#plane.metrics.refused("accept-failed");
      this.#plane.log.warn({ event: "accept-failed", error: error.message }, "Tunnel could not be accepted");
    });
  }

  setCredentials(credentials: Iterable<TlsCredentials>): void {
    this.#acceptor.setCredentials(credentials);
  }

  get tunnels(): ReadonlySet<ServerTunnel> {
    return this.#acceptor.tunnels;
  }

  /**
   * GOAWAY to the peers of pods that are terminating, gone, or were followed by another identity at the same address:
   * new connections go elsewhere, old ones end in order.
   */
  tableChanged(): void {
    const table = this.#plane.table();
    if (table === undefined) return;
    for (const tunnel of this.#acceptor.tunnels) {
      const pod = table.workloadByAddress(tunnel.podAddress);
      const serves = pod !== undefined && pod.state !== "draining" && table.identityOf(pod) === tunnel.podIdentity;
      if (!serves) tunnel.drain();
    }
  }

  /** Stops accepting; connections go on. */
  close(): void {
    for (const server of this.#servers) server.close();
  }

  /** GOAWAY to everybody. */
  drain(): void {
    for (const tunnel of this.#acceptor.tunnels) tunnel.drain();
  }

  accept(socket: Socket): void {
    socket.on("error", () => {});
    const peer = normalizeAddress(socket.remoteAddress ?? "");
    const dialled = dialledAddress(socket);
    if (peer === undefined || dialled === "gone") {
      socket.destroy();
      return;
    }
    if (dialled === "unknown") {
      this.#plane.metrics.refused("not-redirected");
      resetSocket(socket);
      return;
    }
    const refusal = this.#refusal(peer);
    if (refusal !== undefined) {
      this.#plane.limitHit(refusal);
      this.#logLimit(refusal, peer);
      resetSocket(socket);
      return;
    }
    this.#handshake(socket, peer, dialled.address);
  }

  #handshake(socket: Socket, peer: string, pod: string): void {
    const settled = this.#countHandshake(peer);
    socket.once("close", settled);
    this.#offer(socket, { peer, pod }, settled, timers.tableGraceMs);
  }

  /** A pod that is new on this node gets a moment: its certificate may be on the way, the peer's table a step ahead. */
  #offer(socket: Socket, addresses: { peer: string; pod: string }, settled: () => void, graceMs: number): void {
    if (socket.destroyed) return;
    const problem = this.#problemOf(socket, addresses, settled);
    if (problem === undefined) return;
    if (graceMs > 0) {
      const recheck = (): void => this.#offer(socket, addresses, settled, graceMs - timers.tableRecheckMs);
      this.#plane.clock.after(timers.tableRecheckMs, recheck);
      return;
    }
    settled();
    this.#refused(addresses.peer, addresses.pod, problem);
    resetSocket(socket);
  }

  /** Undefined: the socket has been taken over. */
  #problemOf(socket: Socket, addresses: { peer: string; pod: string }, settled: () => void): string | undefined {
    const table = this.#plane.table();
    const workload = table?.workloadByAddress(addresses.pod);
    if (table === undefined || workload === undefined) return "no pod of the table has this address";
    const identity = table.identityOf(workload);
    return this.#acceptor.accept(socket, identity, addresses, settled)
      ? undefined
      : `no certificate for ${identity} yet`;
  }

  #refusal(peer: string): LimitName | undefined {
    if (this.#pendingHandshakes >= limits.pendingHandshakes) return "pendingHandshakes";
    if ((this.#handshakes.get(peer) ?? 0) >= limits.pendingHandshakesPerAddress) return "pendingHandshakesPerAddress";
    if ((this.#tunnels.get(peer) ?? 0) >= limits.tunnelsPerPeer) return "tunnelsPerPeer";
    return undefined;
  }

  /** A flood is one line now and then, not one per connection: the metric counts them all. */
  #logLimit(limit: LimitName, peer: string): void {
    const nowMs = this.#plane.clock.monotonicMs();
    this.#unloggedRefusals += 1;
    if (nowMs < this.#nextLimitLogMs) return;
    this.#nextLimitLogMs = nowMs + timers.limitLogMs;
    const facts = { event: "tunnel-refused", peer, limit, refused: this.#unloggedRefusals };
    this.#unloggedRefusals = 0;
    this.#plane.log.warn(facts, "Tunnels refused: a limit is reached");
  }

  #countHandshake(peer: string): () => void {
    let over = false;
    this.#pendingHandshakes += 1;
    add(this.#handshakes, peer, 1);
    return () => {
      if (over) return;
      over = true;
      this.#pendingHandshakes -= 1;
      add(this.#handshakes, peer, -1);
    };
  }

  #events(): AcceptorEvents {
    return {
      authorize: (peer) => {
        const table = this.#plane.table();
        return table === undefined ? "there is no table yet" : refusePeer(table, peer);
      },
      onTunnel: (tunnel, tls) => this.#opened(tunnel, tls),
      onStream: (tunnel, stream) => new InboundConnection(this.#plane, tunnel, stream).start(),
      onTunnelClosed: (tunnel) => add(this.#tunnels, tunnel.peerAddress, -1),
      onRefused: (address, podAddress, reason) => this.#refused(address, podAddress, reason),
    };
  }

  #opened(tunnel: ServerTunnel, tls: TLSSocket): void {
    add(this.#tunnels, tunnel.peerAddress, 1);
    // The server side of OpenSSL does not tell the group to Node; the dialling agent counts it.
    this.#plane.metrics.handshake("ok", tls.getProtocol() ?? "unknown", "", tls.isSessionReused());
  }

  #refused(address: string, podAddress: string, reason: string): void {
    this.#plane.metrics.handshake("failed", "", "", false);
    this.#plane.log.warn({ event: "tunnel-refused", peer: address, pod: podAddress, reason }, "Tunnel refused");
  }
}

function add(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count <= 0) counts.delete(key);
  else counts.set(key, count);
}
