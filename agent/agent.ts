/**
 * The agent of one node, main thread: keeps table, certificates, rules and workers in step. No byte of traffic passes
 * here.
 *
 *   boot -> table and keys from disk -> workers listen -> rules -> channel -> (table changes)* -> stop
 *
 * Order of a table change: workers first, then the kernel, then the acknowledgement: what is intercepted is known.
 */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { RelayedLog } from "../core/pino-log.ts";
import type { DeltaMessage, HelloMessage, RootsMessage, SnapshotMessage } from "../protocol/channel.ts";
import { TableState } from "../routing/table-state.ts";
import { AdminServer } from "./admin/admin-server.ts";
import { configDump } from "./admin/config-dump.ts";
import { setReadyFile } from "./admin/ready-file.ts";
import { ChannelClient } from "./control/channel-client.ts";
import { ChannelTrust } from "./control/channel-trust.ts";
import { ControllerAbsence } from "./control/controller-absence.ts";
import { TableStore } from "./control/table-store.ts";
import { CertificateManager } from "./identity/certificate-manager.ts";
import { CertificateStore } from "./identity/certificate-store.ts";
import { RequestThread } from "./identity/request-thread.ts";
import { Interception } from "./interception.ts";
import { localIdentities } from "./local-identities.ts";
import { Marks } from "./netfilter/marks.ts";
import { Ownership } from "./ownership.ts";
import { AgentQuotas } from "./quota/agent-quotas.ts";
import { QuotaNodeCount } from "./quota/quota-node-count.ts";
import type { AgentSettings } from "./settings.ts";
import { isPortHeld } from "./sockets/port-holder.ts";
import { type ReservedPorts, reservePorts } from "./sockets/reserved-ports.ts";
import { AgentMetrics } from "./telemetry/metrics.ts";
import type { TlsCredentials } from "./tunnel/tls-settings.ts";
import { WorkerPool } from "./worker/worker-pool.ts";

export interface AgentOptions {
  readonly settings: AgentSettings;
  readonly version: string;
  readonly clock: Clock;
  readonly log: RelayedLog;
  readonly random: () => number;
}

/** Period of reports to the controller; a change of readiness is reported at once. */
const REPORT_PERIOD_MS = 2_000;
const READINESS_CHECK_MS = 100;
/** A pod with an identity that is new to the node has its certificate within a second: no news for an operator until it has not. */
const CERTIFICATE_GRACE_MS = 5_000;

export class Agent {
  readonly #options: AgentOptions;
  readonly #instance = `${process.pid}-${randomBytes(4).toString("hex")}`;
  readonly #metrics: AgentMetrics;
  readonly #store: TableStore;
  readonly #requests: RequestThread;
  readonly #certificates: CertificateManager;
  readonly #channel: ChannelClient;
  readonly #channelTrust: ChannelTrust;
  readonly #absence: ControllerAbsence;
  /** The admin port, and the one for scrapers of other machines. */
  readonly #servers: readonly AdminServer[];
  readonly #ports: ReservedPorts;
  readonly #workers: WorkerPool;
  readonly #quotas: AgentQuotas;
  readonly #interception: Interception;
  readonly #timers: Timer[] = [];
  #table: TableState | undefined;
  #reportedReady = false;
  /** What log and ready file say: not that a new pod's certificate is on its way. */
  #toldReady = false;
  #stopping: Promise<void> | undefined;

  constructor(options: AgentOptions) {
    const { settings, clock, log, random } = options;
    this.#options = options;
    this.#absence = new ControllerAbsence(clock);
    this.#metrics = new AgentMetrics({ clock, version: options.version, processMetrics: true });
    this.#store = new TableStore({
      directory: settings.stateDir,
      clock,
      log,
      count: (event) => this.#metrics.controlEvent("table-store", event),
    });
    this.#channelTrust = new ChannelTrust({
      caFile: settings.caFile,
      learntFile: join(settings.stateDir, "controller-roots.pem"),
      log,
    });
    this.#channel = this.#createChannel();
    this.#requests = new RequestThread({ clock });
    this.#certificates = new CertificateManager({
      createRequest: (identity) => this.#requests.create(identity),
      sign: (csr) => this.#channel.sign(csr),
      store: new CertificateStore({ directory: join(settings.stateDir, "certificates"), log }),
      clock,
      random,
      log,
      count: (event) => this.#metrics.controlEvent("certificates", event),
    });
    this.#ports = reservePorts();
    this.#workers = this.#createWorkers();
    this.#quotas = this.#createQuotas();
    this.#interception = this.#createInterception();
    this.#servers = this.#createServers();
  }

  async start(): Promise<void> {
    const { settings, log, version } = this.#options;
    const { outbound, inbound, ipv6 } = this.#ports;
    log.info({ event: "starting", version, instance: this.#instance, outbound, inbound, ipv6 }, "Agent starts");
    await mkdir(settings.stateDir, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      log.error({ error: describeError(error) }, "Cannot create the state directory, nothing will survive a restart");
    });
    // One that an earlier life in the same pod has left.
    setReadyFile(settings.readyFile, false, log);
    this.#startServers();
    const [snapshot] = await Promise.all([this.#store.load(), this.#interception.start()]);
    if (snapshot !== undefined) this.#table = new TableState(snapshot);
    await this.#certificates.start();
    this.#wantCertificates();
    // Without a table the node is guarded before anything else happens; with one, nothing is intercepted by nobody.
    if (this.#table === undefined) await this.#interception.update(undefined);
    await this.#workers.start();
    if (this.#table !== undefined) await this.#putInForce(this.#table);
    this.#certificates.onChange(() => this.#certificatesChanged());
    this.#certificatesChanged();
    this.#channel.start();
    this.#timers.push(this.#options.clock.every(REPORT_PERIOD_MS, () => this.#report()));
    this.#timers.push(this.#options.clock.every(READINESS_CHECK_MS, () => this.#checkReadiness()));
  }

  /** Orderly stop: connections get the drain time; the rules go unless another agent has taken them over. */
  stop(reason: string): Promise<void> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  async #stop(reason: string): Promise<void> {
    const { settings, log } = this.#options;
    const superseded = await this.#interception.leave();
    log.info({ event: "stopping", reason, superseded, drainMs: settings.drainMs }, "Agent stops");
    for (const timer of this.#timers) timer.cancel();
    setReadyFile(settings.readyFile, false, log);
    await this.#closeServers();
    this.#channel.send({ kind: "goodbye", removed: !superseded && !settings.keepRules });
    // The rules of an agent without successor stay until its last connection has ended: none may continue in clear.
    const aborted = await this.#workers.drain({ deadlineMs: settings.drainMs, keepListening: !superseded });
    this.#quotas.close();
    await this.#interception.stop({ remove: !settings.keepRules });
    // A request that waits for its thread is given up, and with it what waits for the request.
    await this.#requests.close();
    await Promise.all([this.#channel.close(), this.#store.close(), this.#certificates.close()]);
    this.#ports.release();
    log.info({ event: "stopped", aborted }, "Agent has stopped");
  }

  #createChannel(): ChannelClient {
    const { settings, clock, log, random } = this.#options;
    return new ChannelClient({
      urls: settings.controllers,
      credentials: () => ({
        token: readFileSync(settings.tokenFile, "utf8").trim(),
        roots: this.#channelTrust.roots(),
      }),
      ...(settings.controllerName === undefined ? {} : { servername: settings.controllerName }),
      hello: () => this.#hello(),
      onTable: (message) => this.#tableMessage(message),
      onRoots: (message) => this.#rootsMessage(message),
      onQuotaLease: (message) => this.#quotas.leased(message),
      onOpen: () => {
        this.#absence.ended();
        this.#metrics.channelConnected(true);
        this.#report();
        this.#quotas.channelOpened();
        this.#certificates.retryNow();
      },
      onClose: () => {
        this.#absence.began();
        this.#quotas.channelLost();
        this.#metrics.channelConnected(false);
      },
      clock,
      random,
      log,
      count: (event) => this.#metrics.controlEvent("channel", event),
    });
  }

  #createWorkers(): WorkerPool {
    const { settings, clock, log } = this.#options;
    return new WorkerPool({
      count: settings.workers,
      settings: {
        workers: settings.workers,
        node: settings.node,
        logLevel: settings.logLevel,
        mark: Marks.own,
        engine: settings.engine,
        outboundPort: this.#ports.outbound,
        inboundPort: this.#ports.inbound,
        ipv6: this.#ports.ipv6,
        ticketKeys: randomBytes(48),
      },
      table: () => this.#table?.toSnapshot(),
      credentials: () => this.#credentials(),
      onQuotaUsage: (worker, usage) => this.#quotas.workerTold(worker, usage),
      onDied: (worker) => this.#quotas.workerDied(worker),
      metrics: this.#metrics,
      log,
      clock,
    });
  }

  #createQuotas(): AgentQuotas {
    const nodes = new QuotaNodeCount(() => this.#table);
    return new AgentQuotas({
      workers: this.#options.settings.workers,
      nodes: () => nodes.count,
      send: (report) => this.#channel.send(report),
      post: (worker, rates) => this.#workers.post(worker, { kind: "quota-rates", rates }),
      clock: this.#options.clock,
      metrics: this.#metrics,
    });
  }

  #createInterception(): Interception {
    const { settings, clock, log } = this.#options;
    return new Interception({
      node: settings.node,
      ports: { outbound: this.#ports.outbound, inbound: this.#ports.inbound },
      backend: settings.backend,
      intercept: settings.intercept,
      guard: {
        encryption: settings.encryptionBeforeTable,
        clusterCidrs: settings.clusterCidrs,
        nodeCidrs: settings.nodeCidrs,
      },
      ownership: new Ownership({
        stateDir: settings.stateDir,
        instance: this.#instance,
        port: this.#ports.outbound,
        isPortHeld,
      }),
      clock,
      log,
      onRepair: () => this.#metrics.ruleRepair(),
      // Probes and scrapers ask a port of the node, and from now on mean the other agent.
      onSuperseded: () => void this.#closeServers(),
      onTakenBack: () => this.#startServers(),
      count: (event) => this.#metrics.controlEvent("netfilter", event),
    });
  }

  #createServers(): readonly AdminServer[] {
    const { settings, clock, log } = this.#options;
    const common = {
      clock,
      log,
      pending: () => [...this.#pending(), ...this.#absence.pending()],
      metrics: { contentType: this.#metrics.contentType, text: () => this.#metrics.text() },
    };
    const admin = new AdminServer({
      name: "admin",
      ...settings.admin,
      ...common,
      configDump: () => this.#configDump(),
      endpoints: async (service) => {
        return { node: settings.node, service, endpoints: await this.#workers.inspect(service) };
      },
      protection: async (scopes, names) => {
        const quotas = this.#quotas.states.filter(({ name }) => names.includes(name));
        return { node: settings.node, ...(await this.#workers.inspectProtection(scopes)), quotas };
      },
    });
    if (settings.metrics === undefined) return [admin];
    return [admin, new AdminServer({ name: "metrics", ...settings.metrics, ...common })];
  }

  #startServers(): void {
    for (const server of this.#servers) server.start();
  }

  /** A successor waits for the ports. */
  async #closeServers(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  #configDump(): unknown {
    const { settings, version } = this.#options;
    return configDump({
      version,
      node: settings.node,
      instance: this.#instance,
      settings: { ...settings },
      table: this.#table?.toSnapshot(),
      certificates: this.#certificates.bundles().values(),
      quotas: this.#quotas.states,
      interception: this.#interception.describe(),
    });
  }

  #hello(): HelloMessage {
    const { settings, version } = this.#options;
    const table = this.#table;
    const have = table === undefined ? undefined : { epoch: table.epoch, sequence: table.sequence };
    return {
      kind: "hello",
      node: settings.node,
      version,
      instance: this.#instance,
      ...(have === undefined ? {} : { have }),
    };
  }

  /** Throws when the change does not fit; the controller then sends a snapshot. */
  async #tableMessage(message: SnapshotMessage | DeltaMessage): Promise<void> {
    if (message.kind === "snapshot") {
      this.#table = new TableState(message.table);
      this.#workers.broadcast({ kind: "snapshot", table: message.table });
    } else {
      const table = this.#table;
      if (table === undefined) throw new TypeError("Change came before a table");
      table.apply(message.delta);
      this.#workers.broadcast({ kind: "delta", delta: message.delta });
    }
    const table = this.#table;
    if (table === undefined) return;
    this.#wantCertificates();
    await this.#putInForce(table);
    this.#store.save(() => table.toSnapshot());
  }

  /** In the kernel; workers have it. */
  async #putInForce(table: TableState): Promise<void> {
    await this.#interception.update(table);
    this.#metrics.tableApplied(table.sequence);
  }

  #rootsMessage({ roots, issuer }: RootsMessage): void {
    try {
      this.#certificates.setRoots(roots, issuer);
      void this.#channelTrust.learn(roots);
      // Whether a former root can go is decided by what agents report.
      this.#report();
    } catch (error) {
      const facts = { error: describeError(error) };
      this.#options.log.error(facts, "Roots of the controller cannot be used, those in force stay");
    }
  }

  #wantCertificates(): void {
    if (this.#table === undefined) return;
    this.#certificates.setWanted(localIdentities(this.#table, this.#options.settings.node));
  }

  #certificatesChanged(): void {
    const bundles = this.#certificates.bundles();
    this.#metrics.certificates(bundles.values());
    this.#workers.broadcast({ kind: "credentials", credentials: this.#credentials() });
  }

  #credentials(): TlsCredentials[] {
    return [...this.#certificates.bundles().values()].map(({ identity, keyPem, chainPem, rootsPem }) => ({
      identity,
      keyPem,
      chainPem,
      rootsPem,
    }));
  }

  /** What keeps this node from taking part, for a person. Certificates: those that have been missing for so long. */
  #pending(certificateGraceMs = 0): readonly string[] {
    const pending: string[] = [];
    if (this.#table === undefined) pending.push("routing table: none on disk, none from a controller yet");
    if (!this.#workers.listening) pending.push("data workers: not all listen yet");
    const missing = this.#certificates.missing(certificateGraceMs);
    if (missing.length > 0) pending.push(`certificates: ${missing.length} missing, e.g. ${missing[0]}`);
    const rules = this.#interception.pending;
    if (rules !== undefined) pending.push(`rules: ${rules}`);
    if (this.#stopping !== undefined) pending.push("stopping");
    return pending;
  }

  #checkReadiness(): void {
    const ready = this.#pending().length === 0;
    this.#tellReadiness(ready);
    if (ready === this.#reportedReady) return;
    this.#reportedReady = ready;
    this.#report();
  }

  #tellReadiness(ready: boolean): void {
    const pending = ready ? [] : this.#pending(this.#toldReady ? CERTIFICATE_GRACE_MS : 0);
    if (this.#toldReady === (pending.length === 0)) return;
    this.#toldReady = !this.#toldReady;
    setReadyFile(this.#options.settings.readyFile, this.#toldReady, this.#options.log);
    if (this.#toldReady) this.#options.log.info({ event: "ready", sequence: this.#table?.sequence }, "Agent is ready");
    else this.#options.log.warn({ event: "not-ready", pending }, "Agent is not ready");
  }

  #report(): void {
    const { connectionsOpened, sentBytes, receivedBytes, refused, tunnelsOpen } = this.#metrics.totals();
    this.#channel.send({
      kind: "report",
      // A node that has said good-bye must not be taken for served again when the channel comes back meanwhile.
      ready: this.#reportedReady && this.#stopping === undefined,
      counters: {
        connectionsOpened,
        sentBytes,
        receivedBytes,
        refused,
        tunnelsOpen,
        formerIssuerCertificates: this.#certificates.formerIssuerCount,
      },
    });
  }
}
