/**
 * The HTTP data plane on loopback: a listener that serves connections as the agent does those of pods, a router that the test
 * writes, and origins that are dialled directly. Everything that could leak is counted.
 */
import { once } from "node:events";
import { connect, type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Balancers } from "../../agent/balance/balancers.ts";
import type { BalancerEvents } from "../../agent/balance/endpoint-judge.ts";
import { HttpConnection } from "../../agent/http/client/http-connection.ts";
import {
  createHttpPlane,
  type HttpPlane,
  type HttpPlaneOptions,
  type UpstreamPlane,
} from "../../agent/http/http-plane.ts";
import { RequestMemory } from "../../agent/http/request-memory.ts";
import type { BackendEndpoints, RequestRouter } from "../../agent/http/request-router.ts";
import { Traceparents } from "../../agent/outbound/traceparents.ts";
import { WriteCoalescer } from "../../agent/relay/write-coalescer.ts";
import type { DialOptions } from "../../agent/sockets/dial.ts";
import { WorkerMetrics } from "../../agent/telemetry/worker-metrics.ts";
import type { TunnelPool } from "../../agent/tunnel/tunnel-pool.ts";
import { ConnectionRegistry } from "../../agent/worker/connection-registry.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { RouteBackend, RouteRule, RouteTarget } from "../../protocol/route-table.ts";
import type { EjectionSettings, ServiceEntry } from "../../protocol/table.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import type { ForwardRequest, RequestDecision } from "../../routing/http/request-decision.ts";
import type { RequestFacts } from "../../routing/http/request-facts.ts";
import { TableState } from "../../routing/table-state.ts";
import { candidate } from "./candidates.ts";
import { eventually } from "./eventually.ts";
import type { TearsDown } from "./http-origin.ts";
import { NO_EJECTION } from "./outbound-world.ts";
import { RecordingLog } from "./recording-log.ts";
import { testTable, testWorkload } from "./test-tables.ts";

export interface HttpWorldOptions {
  /** Ports on 127.0.0.1 of the origins behind Service shop/catalog:80. */
  readonly origins?: readonly number[];
  readonly candidates?: readonly Candidate[];
  /** The same of other Services, by their keys. */
  readonly others?: Readonly<Record<string, readonly number[]>>;
  readonly decide?: (facts: RequestFacts) => RequestDecision;
  readonly clock?: Clock;
  readonly ejection?: EjectionSettings;
  /** What else is to be known of the backends. */
  readonly backend?: Partial<BackendEndpoints>;
  readonly pool?: TunnelPool;
  readonly random?: () => number;
  /** Absent: nothing is ever used up. */
  readonly quotas?: HttpPlaneOptions["quotas"];
  /** Of the Service's port. */
  readonly appProtocol?: string;
  /** What was read of origins of HTTP/1.1 is overwritten as soon as it was given on: tunnels lend it, too. */
  readonly lends?: boolean;
  /** Where lines go instead of `log`. */
  readonly otherLog?: Log;
}

const OVERWRITTEN = "#";

export class HttpWorld {
  readonly clock: Clock;
  readonly metrics: WorkerMetrics;
  readonly log = new RecordingLog();
  readonly connections: ConnectionRegistry;
  readonly plane: HttpPlane;
  port = 0;
  /** Sockets of accepted clients and of dialled origins that are not closed. */
  readonly sockets = new Set<Socket>();
  dials = 0;
  /** What the balancer did. */
  readonly balancerEvents: string[] = [];
  readonly #options: HttpWorldOptions;
  readonly #endpoints: Map<string, BackendEndpoints>;
  readonly #table = new TableState(testTable({ workloads: [testWorkload("shop/client")] }));
  readonly #listener: Server;

  private constructor(options: HttpWorldOptions) {
    this.#options = options;
    this.clock = options.clock ?? systemClock;
    this.metrics = new WorkerMetrics({ clock: this.clock });
    this.connections = new ConnectionRegistry({ clock: this.clock, onLimit: (name) => this.metrics.limitHit(name) });
    this.plane = this.#createPlane();
    const all = Object.entries({ [catalog.key]: options.origins ?? [], ...options.others });
    this.#endpoints = new Map(all.map(([key, ports]) => [key, this.#endpointsOf(key, ports.map(localCandidate))]));
    if (options.candidates !== undefined) {
      this.#endpoints.set(catalog.key, this.#endpointsOf(catalog.key, options.candidates));
    }
    this.#listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#serve(socket));
  }

  /** Closed at the test's end at the latest. */
  static async create(t: TearsDown, options: HttpWorldOptions = {}): Promise<HttpWorld> {
    const world = new HttpWorld(options);
    t.teardown(() => world.close());
    world.connections.start();
    world.#listener.listen(0, "127.0.0.1");
    await once(world.#listener, "listening");
    world.port = (world.#listener.address() as AddressInfo).port;
    return world;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Of a Service. */
  endpoints(service: string): readonly Candidate[] {
    return this.#endpoints.get(service)?.candidates ?? [];
  }

  /** A client's end, half-open allowed. */
  async connect(): Promise<Socket> {
    const socket = connect({ host: "127.0.0.1", port: this.port, allowHalfOpen: true, noDelay: true });
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  }

  /** `2xx answered` -> 3 and so on, since the last call; all label sets together. */
  requests(): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const { counts } of this.metrics.collect().requests) {
      for (const [key, count] of Object.entries(counts)) sums[key] = (sums[key] ?? 0) + count;
    }
    return sums;
  }

  /** `mirrored shop/mirror answered` -> 3 and so on, likewise. */
  counters(): Record<string, number> {
    const { counters } = this.metrics.collect();
    return Object.fromEntries(
      counters.map(({ name, labelValues, value }) => [[name, ...labelValues].join(" "), value]),
    );
  }

  /** The next line of this kind that the data plane leaves. */
  async logged(event: "request" | "connection"): Promise<Record<string, unknown>> {
    const line = await eventually(`a line about a ${event}`, () =>
      this.log.lines.find(({ fields }) => fields["event"] === event),
    );
    return line.fields;
  }

  /** Clients are gone: nothing may be left but what waits in the pool, and after this not even that. */
  async settle(): Promise<void> {
    await eventually("connections end", () => this.connections.size === 0);
    await eventually("requests let go of their endpoints", () => {
      return this.plane.upstreams.size === this.plane.upstreams.idleCount;
    });
    this.plane.upstreams.drain();
    await eventually(`${this.sockets.size} sockets close`, () => this.sockets.size === 0);
  }

  close(): void {
    this.#listener.close();
    this.connections.close();
    this.plane.upstreams.drain();
    for (const socket of this.sockets) socket.destroy();
  }

  #serve(socket: Socket): void {
    this.#track(socket);
    const workload = this.#table.workload("shop/client");
    if (workload === undefined) throw new Error("The table has no client");
    const source = { workload, address: "10.244.1.2", port: socket.remotePort ?? 0, redirected: false };
    const facts = {
      source,
      service: catalog,
      port: 80,
      dialled: "10.96.0.1:80",
      table: this.#table,
      memory: new RequestMemory(source, catalog.key, this.#table),
    };
    new HttpConnection({ plane: this.plane, socket, facts, router: this.#router }).start();
  }

  get #router(): RequestRouter {
    return {
      decide: (facts) => this.#options.decide?.(facts) ?? forward(facts),
      endpoints: ({ service }: RouteTarget) => this.#endpoints.get(service),
      sessionEndpoints: ({ service }: RouteTarget) => this.#endpoints.get(service)?.candidates ?? [],
    };
  }

  #endpointsOf(key: string, candidates: readonly Candidate[]): BackendEndpoints {
    const { ejection = NO_EJECTION, backend, appProtocol } = this.#options;
    const service = { ...catalogSpeaking(appProtocol), key };
    return { service, destination: `${key}:80`, candidates, loadBalancer: "round-robin", ejection, ...backend };
  }

  #createPlane(): HttpPlane {
    const plane: UpstreamPlane = {
      node: "node-1",
      clock: this.clock,
      log: this.#options.otherLog ?? this.log,
      metrics: this.metrics,
      writes: new WriteCoalescer(),
      connections: this.connections,
      mark: 0,
      dial: (options) => this.#dial(options),
      dialPod: (options) => this.#dial(options),
      table: () => this.#table,
      limitHit: (name) => this.metrics.limitHit(name),
      pool: this.#options.pool ?? ({} as TunnelPool),
      balancers: new Balancers({ clock: this.clock, random: () => 0, events: this.#balancerEvents }),
      traceparents: new Traceparents(),
    };
    const { quotas = { admit: () => undefined }, random = () => 0 } = this.#options;
    return { ...createHttpPlane(plane, { workers: 1, quotas, random }), drawShare: random };
  }

  get #balancerEvents(): BalancerEvents {
    const told = (what: string) => this.balancerEvents.push(what);
    return {
      ejected: ({ cause, detail }) => told(`ejected ${cause}: ${detail}`),
      returned: () => told("returned"),
      paused: ({ pauseMs }) => told(`paused ${pauseMs}`),
      limitHit: (limit) => told(`limit ${limit}`),
    };
  }

  #dial({ address, port }: DialOptions): Socket {
    this.dials += 1;
    const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
    this.#track(socket);
    // Behind whoever listens by then.
    if (this.#options.lends === true)
      socket.once("connect", () => socket.on("data", (chunk: Buffer) => void chunk.fill(OVERWRITTEN)));
    return socket;
  }

  #track(socket: Socket): void {
    this.sockets.add(socket);
    socket.once("close", () => this.sockets.delete(socket));
  }
}

function catalogSpeaking(appProtocol: string | undefined): ServiceEntry {
  if (appProtocol === undefined) return catalog;
  return { ...catalog, ports: catalog.ports.map((port) => ({ ...port, appProtocol })) };
}

const catalog: ServiceEntry = {
  key: "shop/catalog",
  namespace: "shop",
  name: "catalog",
  clusterIps: ["10.96.0.1"],
  ports: [{ name: "http", port: 80, protocol: "TCP" }],
};

/** An origin on this node, dialled directly. */
export function localCandidate(port: number): Candidate {
  return {
    ...candidate(`pod-${port}`, { address: "127.0.0.1" }),
    key: `shop/pod-${port}:${port}`,
    port,
    transport: "local",
  };
}

/** To Service shop/catalog as it came, but for what `changes` says. */
export function forward(
  facts: RequestFacts,
  changes: Partial<ForwardRequest> & { rule?: Partial<RouteRule> } = {},
): ForwardRequest {
  const backend: RouteBackend = { service: "shop/catalog", port: 80, weight: 1 };
  const { rule, ...rest } = changes;
  return {
    kind: "forward",
    by: {
      kind: "HTTPRoute",
      rule: { route: "shop/catalog", index: 0, backends: [backend], ...rule },
      match: { rule: 0, index: 0, path: { type: "prefix", value: "" } },
    },
    backend,
    authority: facts.authority,
    target: facts.target,
    requestHeaders: [],
    responseHeaders: [],
    mirrors: [],
    ...rest,
  };
}
