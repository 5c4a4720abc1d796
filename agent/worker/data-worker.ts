/**
 * One data worker: listeners, inbound, outbound, and the state they share. Runs in a thread of its own with its own
 * event loop; the main thread only feeds it tables and certificates, and reads its metrics and logs.
 */
import { createSecureContext, type SecureContext } from "node:tls";
import { getHeapStatistics } from "node:v8";
import { systemClock } from "../../core/clock.ts";
import { CountedClock } from "../../core/counted-clock.ts";
import { TurnClock } from "../../core/turn-clock.ts";
import { newcomerBurst } from "../../protocol/quota.ts";
import { TableState } from "../../routing/table-state.ts";
import { Balancers } from "../balance/balancers.ts";
import { createHttpPlane, type HttpPlane } from "../http/http-plane.ts";
import { tableRouters } from "../http/table-router.ts";
import { InboundListener } from "../inbound/inbound-listener.ts";
import { timers } from "../limits.ts";
import { OutboundListener } from "../outbound/outbound-listener.ts";
import { Traceparents } from "../outbound/traceparents.ts";
import { WriteCoalescer } from "../relay/write-coalescer.ts";
import { OUTBOUND_PORTS } from "../sockets/agent-address.ts";
import { dial, dialPod } from "../sockets/dial.ts";
import { tcpInternals } from "../sockets/tcp-internals.ts";
import { openTransparentListener } from "../sockets/transparent-listener.ts";
import { QuotaNodeCount } from "../quota/quota-node-count.ts";
import { WorkerQuotas } from "../quota/worker-quotas.ts";
import { agentLogFields } from "../telemetry/agent-log-fields.ts";
import { LogRelay } from "../telemetry/log-relay.ts";
import { WorkerMetrics } from "../telemetry/worker-metrics.ts";
import type { Negotiated } from "../tunnel/h2-client-tunnel.ts";
import type { Engine } from "../tunnel/engines.ts";
import type { TunnelError } from "../tunnel/tunnel-error.ts";
import { TLS_SETTINGS, type TlsCredentials } from "../tunnel/tls-settings.ts";
import { TunnelPool, type TunnelTarget } from "../tunnel/tunnel-pool.ts";
import { ConnectionRegistry } from "./connection-registry.ts";
import type { DataPlane } from "./data-plane.ts";
import type { DrainOrder, FromWorker, ToWorker, WorkerSettings } from "./messages.ts";

/** Batches of metrics go to the main thread this often. */
const METRICS_PERIOD_MS = 1_000;
const RESOURCES_PERIOD_MS = 5_000;

export class DataWorker {
  readonly #settings: WorkerSettings;
  readonly #engine: Engine;
  readonly #post: (message: FromWorker) => void;
  readonly #clock = new CountedClock(systemClock);
  /** For requests. */
  readonly #turnClock = new TurnClock(this.#clock);
  readonly #metrics: WorkerMetrics;
  readonly #log: LogRelay;
  readonly #connections: ConnectionRegistry;
  readonly #pool: TunnelPool;
  readonly #quotas: WorkerQuotas;
  readonly #balancers: Balancers;
  readonly #http: HttpPlane;
  readonly #outbound: OutboundListener;
  readonly #inbound: InboundListener;
  readonly #secureContexts = new Map<string, { chainPem: string; rootsPem: string; context: SecureContext }>();
  #table: TableState | undefined;

  constructor(settings: WorkerSettings, engine: Engine, post: (message: FromWorker) => void) {
    const clock = this.#clock;
    this.#settings = settings;
    this.#engine = engine;
    this.#post = post;
    this.#metrics = new WorkerMetrics({ clock });
    this.#log = new LogRelay({
      clock,
      level: settings.logLevel,
      base: { ...agentLogFields(settings.node), worker: settings.index },
      post: (batch) => post({ kind: "logs", ...batch }),
      onDropped: () => this.#metrics.limitHit("queued-log-records"),
    });
    this.#connections = new ConnectionRegistry({ clock, onLimit: (name) => this.#metrics.limitHit(name) });
    this.#pool = this.#createPool();
    this.#quotas = this.#createQuotas();
    this.#balancers = this.#createBalancers();
    const plane = this.#createPlane();
    const outbound = {
      ...plane,
      pool: this.#pool,
      balancers: this.#balancers,
      traceparents: new Traceparents(),
    };
    const requests = { ...outbound, clock: this.#turnClock };
    this.#http = createHttpPlane(requests, { workers: settings.workers, quotas: this.#quotas });
    const routerFor = tableRouters(settings.node, () => this.#table, this.#http.sessions);
    this.#outbound = new OutboundListener(outbound, { plane: this.#http, routerFor });
    this.#inbound = new InboundListener({
      plane,
      ticketKeys: Buffer.from(settings.ticketKeys),
      engine,
    });
  }

  async start(): Promise<void> {
    const { outboundPort, inboundPort, ipv6: hasIpv6, mark } = this.#settings;
    this.#connections.start();
    for (const ipv6 of hasIpv6 ? [false, true] : [false]) {
      for (let port = outboundPort; port < outboundPort + OUTBOUND_PORTS; port += 1) {
        await this.#outbound.listen(openTransparentListener({ ipv6, port, mark }).fd);
      }
      await this.#inbound.listen(openTransparentListener({ ipv6, port: inboundPort, mark }).fd);
    }
    this.#clock.every(METRICS_PERIOD_MS, () => this.#postMetrics());
    this.#clock.every(RESOURCES_PERIOD_MS, () => this.#countResources());
    this.#post({ kind: "listening" });
  }

  handle(message: ToWorker): void {
    switch (message.kind) {
      case "snapshot":
        this.#table = new TableState(message.table);
        this.#inbound.tableChanged();
        return;
      case "delta":
        this.#table?.apply(message.delta);
        this.#inbound.tableChanged();
        return;
      case "credentials":
        this.#setCredentials(message.credentials);
        return;
      case "quota-rates":
        this.#quotas.setRates(message.rates);
        return;
      case "drain":
        void this.#drain(message);
        return;
      case "inspect":
        this.#post({ kind: "inspected", id: message.id, endpoints: this.#balancers.read(message.service) });
        return;
      case "inspect-protection": {
        const protection = this.#http.protection.read(message.scopes);
        this.#post({ kind: "protection-inspected", id: message.id, protection });
        return;
      }
    }
  }

  #createPlane(): DataPlane {
    return {
      node: this.#settings.node,
      mark: this.#settings.mark,
      clock: this.#clock,
      log: this.#log,
      metrics: this.#metrics,
      writes: new WriteCoalescer(),
      connections: this.#connections,
      dial,
      dialPod: (options) => dialPod(options, tcpInternals),
      table: () => this.#table,
      limitHit: (name) => this.#metrics.limitHit(name),
    };
  }

  #createPool(): TunnelPool {
    return new TunnelPool({
      createTunnel: (options) => this.#engine.createTunnel(options),
      clock: this.#clock,
      mark: this.#settings.mark,
      dial,
      secureContext: (identity) => this.#secureContexts.get(identity)?.context,
      onHandshake: (target, result) => this.#handshake(target, result),
      onLimit: (name) => this.#metrics.limitHit(name),
    });
  }

  #createQuotas(): WorkerQuotas {
    const nodes = new QuotaNodeCount(() => this.#table);
    return new WorkerQuotas({
      clock: this.#clock,
      post: (usage) => this.#post({ kind: "quota-usage", usage }),
      allowance: (requests) => newcomerBurst(requests, nodes.count, this.#settings.workers),
      onLimit: (name) => this.#metrics.limitHit(name),
    });
  }

  #createBalancers(): Balancers {
    return new Balancers({
      clock: this.#turnClock,
      random: Math.random,
      events: {
        ejected: ({ destination, candidate, cause, detail, ejectionMs }) => {
          this.#metrics.ejection(serviceOf(destination), cause);
          const facts = { event: "ejected", destination, endpoint: candidate.key, cause, detail, ejectionMs };
          this.#log.warn(facts, "Endpoint takes nothing for a while");
        },
        paused: ({ destination, candidate, pauseMs }) => {
          this.#metrics.pause(serviceOf(destination));
          const facts = { event: "paused", destination, endpoint: candidate.key, pauseMs };
          this.#log.info(facts, "Endpoint has asked for a pause (Retry-After)");
        },
        returned: ({ destination, candidate }) => {
          this.#log.info({ event: "returned", destination, endpoint: candidate.key }, "Endpoint is back");
        },
        limitHit: (name) => this.#metrics.limitHit(name),
      },
    });
  }

  #handshake(target: TunnelTarget, result: Negotiated | TunnelError): void {
    if (result instanceof Error) {
      this.#metrics.handshake("failed", "", "", false);
      const { sourceIdentity, address, destinationIdentity } = target;
      const facts = { event: "tunnel-failed", sourceIdentity, address, destinationIdentity, error: result.message };
      this.#log.warn(facts, "Tunnel could not be opened");
      return;
    }
    this.#metrics.handshake("ok", result.tlsVersion, result.keyExchange, result.resumed);
  }

  #setCredentials(credentials: readonly TlsCredentials[]): void {
    const wanted = new Set(credentials.map(({ identity }) => identity));
    for (const identity of this.#secureContexts.keys()) {
      if (!wanted.has(identity)) this.#secureContexts.delete(identity);
    }
    for (const { identity, keyPem, chainPem, rootsPem } of credentials) {
      const known = this.#secureContexts.get(identity);
      if (known?.chainPem === chainPem && known.rootsPem === rootsPem) continue;
      const context = createSecureContext({ ...TLS_SETTINGS, key: keyPem, cert: chainPem, ca: rootsPem });
      this.#secureContexts.set(identity, { chainPem, rootsPem, context });
      if (known !== undefined) this.#pool.renewed(identity);
    }
    this.#inbound.setCredentials(credentials);
  }

  #postMetrics(): void {
    const { gauges } = this.#metrics;
    gauges.tunnelsOpen = this.#pool.tunnelCount + this.#inbound.tunnels.size;
    gauges.streamsOpen = this.#connections.size;
    gauges.bufferedBytes = this.#connections.heldBytes;
    gauges.upstreamsOpen = this.#http.upstreams.size;
    gauges.idleUpstreams = this.#http.upstreams.idleCount;
    this.#http.protection.report(this.#table);
    gauges.timersOpen = this.#clock.timers;
    const heap = getHeapStatistics();
    gauges.heapBytes = heap.used_heap_size;
    gauges.externalBytes = heap.external_memory;
    this.#post({ kind: "metrics", batch: this.#metrics.collect() });
  }

  /** Names every socket: with ten thousand of them it takes a millisecond. */
  #countResources(): void {
    const counts: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
    this.#metrics.resources = counts;
  }

  /**
   * With a successor the rules already point to it: what was under way here is still taken, peers are told to go
   * elsewhere, then what is open may finish. Without one, everything is served until nothing is open or time is up.
   */
  async #drain(order: DrainOrder): Promise<void> {
    const { deadlineMs, keepListening } = order;
    this.#inbound.drain();
    this.#connections.drainAll();
    this.#http.upstreams.drain();
    const lingerMs = keepListening ? 0 : Math.min(timers.lingerMs, deadlineMs);
    if (!keepListening) {
      await this.#wait(lingerMs);
      this.#outbound.close();
      this.#inbound.close();
      this.#inbound.drain();
    }
    await Promise.race([this.#connections.empty(), this.#wait(deadlineMs - lingerMs)]);
    this.#outbound.close();
    this.#inbound.close();
    const aborted = this.#connections.size;
    this.#connections.abortAll("drain-deadline");
    this.#pool.destroy();
    for (const tunnel of this.#inbound.tunnels) tunnel.destroy("the agent is stopping");
    this.#connections.close();
    this.#quotas.close();
    this.#postMetrics();
    this.#log.flush();
    this.#post({ kind: "drained", aborted });
  }

  #wait(delayMs: number): Promise<void> {
    // Not the clock's timer: that one would not keep the thread alive until the end of the drain.
    return new Promise((resolve) => setTimeout(resolve, delayMs));
  }
}

/** `shop/catalog:80` and `shop/catalog:80 shop/v2` -> `shop/catalog`: what the metric is labelled with. */
function serviceOf(destination: string): string {
  return destination.replace(/:\d+(?: .*)?$/, "");
}
