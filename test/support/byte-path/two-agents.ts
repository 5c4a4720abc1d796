/**
 * The byte paths of two agents on loopback, in one thread as a data worker has them: pods' connections are carried through
 * real tunnels, or dialled directly, by what an agent is made of. Only the rules and the table's contents are the test's.
 *
 *   client -> DetectingConnection? -> OutboundConnection -> TunnelPool -> TLS -> InboundConnection -> server
 *                                                      \-> PlainStream ---------------------------------^
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Balancers } from "../../../agent/balance/balancers.ts";
import { DetectingConnection } from "../../../agent/http/detect/detecting-connection.ts";
import { InboundConnection } from "../../../agent/inbound/inbound-connection.ts";
import { OutboundConnection, type OutboundDependencies } from "../../../agent/outbound/outbound-connection.ts";
import { Traceparents } from "../../../agent/outbound/traceparents.ts";
import { WriteCoalescer } from "../../../agent/relay/write-coalescer.ts";
import type { PodSocket } from "../../../agent/sockets/pod-socket.ts";
import { WorkerMetrics } from "../../../agent/telemetry/worker-metrics.ts";
import type { Acceptor, Engine } from "../../../agent/tunnel/engines.ts";
import type { TlsCredentials } from "../../../agent/tunnel/tls-settings.ts";
import { TunnelPool } from "../../../agent/tunnel/tunnel-pool.ts";
import { ConnectionRegistry } from "../../../agent/worker/connection-registry.ts";
import type { DataPlane } from "../../../agent/worker/data-plane.ts";
import { systemClock } from "../../../core/clock.ts";
import type { Candidate } from "../../../routing/decide-connection.ts";
import { TableState } from "../../../routing/table-state.ts";
import { candidate } from "../candidates.ts";
import { eventually } from "../eventually.ts";
import type { TearsDown } from "../http-origin.ts";
import { NO_EJECTION } from "../outbound-world.ts";
import { RecordingLog } from "../recording-log.ts";
import { dialRaw, rawSocketPair, socketPair } from "../socket-pair.ts";
import { TestAuthority } from "../test-authority.ts";
import { testNode, testTable, testWorkload } from "../test-tables.ts";
import { secureContextOf } from "../tunnel-world.ts";

const IDENTITY = "spiffe://cluster.local/ns/shop/sa/default";
const CLIENT = "10.244.1.2";
const SERVER = "10.244.2.1";
const [NEAR_NODE, FAR_NODE] = ["192.0.2.1", "192.0.2.2"];

export interface TwoAgentsOptions {
  readonly engine: Engine;
  /** Every socket, as soon as it is there. */
  readonly onSocket: (socket: PodSocket) => void;
}

export interface CarryOptions {
  readonly candidates: readonly Candidate[];
  /** Nobody has said what it carries: first it is found out about. */
  readonly isDetected: boolean;
}

export class TwoAgents {
  readonly pool: TunnelPool;
  readonly near: OutboundDependencies;
  readonly #far: DataPlane;
  readonly #options: TwoAgentsOptions;
  readonly #credentials: TlsCredentials;
  readonly #acceptor: Acceptor;
  readonly #listener: Server;
  readonly #sockets = new Set<PodSocket>();
  readonly #table = new TableState(
    testTable({
      nodes: [testNode("node-1", { addresses: [NEAR_NODE] }), testNode("node-2", { addresses: [FAR_NODE] })],
      workloads: [
        testWorkload("shop/client", { addresses: [CLIENT] }),
        testWorkload("shop/server", { node: "node-2", addresses: [SERVER] }),
      ],
    }),
  );

  private constructor(options: TwoAgentsOptions, credentials: TlsCredentials) {
    this.#options = options;
    this.#credentials = credentials;
    this.#far = this.#plane("node-2");
    this.pool = this.#createPool();
    const balancers = new Balancers({ clock: systemClock, random: () => 0 });
    this.near = { ...this.#plane("node-1"), pool: this.pool, balancers, traceparents: new Traceparents() };
    this.#acceptor = options.engine.createAcceptor({
      clock: systemClock,
      ticketKeys: randomBytes(48),
      events: {
        authorize: () => undefined,
        onTunnel: () => {},
        onStream: (tunnel, stream) => new InboundConnection(this.#far, tunnel, stream).start(),
        onTunnelClosed: () => {},
        onRefused: () => {},
      },
    });
    this.#acceptor.setCredentials([credentials]);
    this.#listener = createServer({ noDelay: true }, (socket) => {
      this.#track(socket);
      this.#acceptor.accept(socket, IDENTITY, { peer: NEAR_NODE, pod: SERVER }, () => {});
    });
  }

  static async create(t: TearsDown, options: TwoAgentsOptions): Promise<TwoAgents> {
    const authority = await TestAuthority.create();
    const agents = new TwoAgents(options, await authority.issue(IDENTITY));
    t.teardown(() => agents.close());
    agents.#listener.listen(0, "127.0.0.1");
    await once(agents.#listener, "listening");
    for (const { connections } of [agents.near, agents.#far]) connections.start();
    return agents;
  }

  /** A client's end of a connection that is carried to one of these. */
  async connect(options: CarryOptions): Promise<Socket> {
    if (!options.isDetected) {
      const { agent, pod } = await rawSocketPair();
      for (const socket of [agent, pod]) this.#track(socket);
      this.#carry(agent, options.candidates, undefined);
      return pod;
    }
    const { agent, pod } = await socketPair();
    for (const socket of [agent, pod]) this.#track(socket);
    const { clock, connections } = this.near;
    const carry = (first: Buffer | undefined): void => this.#carry(agent, options.candidates, first);
    const about = { socket: agent, sourceAddress: CLIENT, clock, connections, lost: () => {} };
    new DetectingConnection({ ...about, serveHttp: carry, relayBytes: carry }).start();
    return pod;
  }

  /** Nothing is left of any connection but idle tunnels. */
  async settle(): Promise<void> {
    await eventually("agents have no connections", () => {
      return this.near.connections.size === 0 && this.#far.connections.size === 0;
    });
    await eventually("tunnels have no streams", () => this.pool.describe().every(({ streams }) => streams === 0));
    this.pool.drain();
    await eventually(`all sockets close`, () => this.#sockets.size === 0);
  }

  close(): void {
    this.#listener.close();
    this.pool.destroy();
    for (const { connections } of [this.near, this.#far]) connections.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #carry(agent: PodSocket, candidates: readonly Candidate[], first: Buffer | undefined): void {
    const source = this.#table.workload("shop/client");
    if (source === undefined) throw new Error("The table has no client");
    const decision = {
      kind: "forward",
      source,
      candidates,
      loadBalancer: "round-robin",
      ejection: NO_EJECTION,
      why: [],
    } as const;
    new OutboundConnection(this.near, {
      socket: agent,
      sourceAddress: CLIENT,
      sourcePort: agent.remotePort ?? 0,
      destinationAddress: SERVER,
      destinationPort: 80,
      redirected: false,
      table: this.#table,
      decision,
      decideAgain: () => decision,
    }).start(first);
  }

  #plane(node: string): DataPlane {
    const metrics = new WorkerMetrics({ clock: systemClock });
    return {
      node,
      clock: systemClock,
      log: new RecordingLog(),
      metrics,
      writes: new WriteCoalescer(),
      connections: new ConnectionRegistry({ clock: systemClock, onLimit: (name) => metrics.limitHit(name) }),
      mark: 0,
      // Pods are on loopback, each at a port of its own.
      dial: ({ port }) => this.#dial(port),
      dialPod: ({ port }) => {
        const socket = dialRaw("127.0.0.1", port);
        socket.once("connect", () => this.#options.onSocket(socket));
        return this.#known(socket);
      },
      table: () => this.#table,
      limitHit: (name) => metrics.limitHit(name),
    };
  }

  #createPool(): TunnelPool {
    const secureContext = secureContextOf(this.#credentials);
    return new TunnelPool({
      clock: systemClock,
      mark: 0,
      dial: () => this.#dial((this.#listener.address() as AddressInfo).port),
      secureContext: () => secureContext,
      onHandshake: () => {},
      onLimit: () => {},
      createTunnel: (options) => this.#options.engine.createTunnel(options),
    });
  }

  #dial(port: number): Socket {
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
    socket.once("connect", () => this.#options.onSocket(socket));
    return this.#known(socket);
  }

  #track(socket: PodSocket): void {
    this.#options.onSocket(socket);
    this.#known(socket);
  }

  #known<Known extends PodSocket>(socket: Known): Known {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }
}

/** A server at this port, on the far node. */
export function farCandidate(port: number): Candidate {
  return { ...candidate("server", { address: SERVER }), key: `shop/server:${port}`, port };
}

/** Likewise without a tunnel. */
export function directCandidate(port: number): Candidate {
  return { ...farCandidate(port), key: `direct:${port}`, transport: "local" };
}
