/**
 * The control plane in one object: source -> table -> agents, and the certificate authority. What it stands on (files, a
 * Kubernetes cluster) is a Platform.
 *
 *   source --> TableBuilder --> TableHistory --> ChannelServer --> agents
 *                  ^   \-> StateFiles, Platform.setNodes, IdentityPlacement
 *                  +--- AgentPresence <--- a node's agent is ready / removed ---+
 *
 *   AuthorityStore --> CertificateAuthority --> server certificate, agents' certificates, roots for agents
 *
 * No agent is let in before presence, authority and a first judged state of the documents are there: a table that lacks
 * what was not read yet would be obeyed like any other.
 */
import { isIP } from "node:net";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { TableSnapshot } from "../protocol/table.ts";
import { quotaTerms } from "../routing/http/quota-terms.ts";
import { quotaNodes } from "../routing/quota-nodes.ts";
import { AdminServer } from "./admin-server.ts";
import type { AuthorityMaterial } from "./authority-material.ts";
import { CertificateAuthority } from "./certificate-authority.ts";
import { CertificateSigner } from "./certificate-signer.ts";
import { ChannelServer } from "./channel-server.ts";
import { Convergence } from "./convergence.ts";
import { controllerStatus } from "./controller-status.ts";
import { IdentityPlacement } from "./identity-placement.ts";
import type { ListenAddress } from "./listen-address.ts";
import type { ControllerMetrics } from "./metrics.ts";
import { nodeNames, type Platform } from "./platform.ts";
import { QuotaDesk } from "./quota/quota-desk.ts";
import { QuotaLink } from "./quota/quota-link.ts";
import type { QuotaMesh } from "./quota/quota-leases.ts";
import { ServerIdentity } from "./server-identity.ts";
import type { StateFiles } from "./state-files.ts";
import { TableBuilder, type Verdict } from "./table-builder.ts";
import { TableHistory } from "./table-history.ts";

export interface ControllerOptions {
  readonly platform: Platform;
  readonly stateFiles: StateFiles;
  readonly listen: ListenAddress;
  readonly admin: ListenAddress;
  /** DNS names and IP addresses under which agents dial. */
  readonly serverNames: readonly string[];
  /** Used when the Mesh document names none, and in the name of a new root. */
  readonly trustDomain: string;
  readonly leafLifetimeMs: number;
  readonly metrics: ControllerMetrics;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ControllerPorts {
  readonly channel: number;
  /** Undefined while the port is taken by another process. */
  readonly admin: number | undefined;
}

export class Controller {
  readonly #options: ControllerOptions;
  readonly #metrics: ControllerMetrics;
  readonly #history = new TableHistory();
  readonly #convergence: Convergence;
  readonly #builder: TableBuilder;
  #placement: IdentityPlacement | undefined;
  /** Of the table in force. */
  #nodes: ReadonlySet<string> = new Set();
  #epoch = "";
  /** What is waited for at the start, for people. */
  #step = "start";
  #authority: CertificateAuthority | undefined;
  #serverIdentity: ServerIdentity | undefined;
  #channel: ChannelServer | undefined;
  /** Of the channel. */
  #port = 0;
  #admin: AdminServer | undefined;
  #quotas: QuotaDesk | undefined;
  /** Of this table. */
  #quotaMesh: { readonly table: TableSnapshot; readonly mesh: QuotaMesh } | undefined;

  constructor(options: ControllerOptions) {
    const { clock, log, platform, stateFiles, trustDomain } = options;
    this.#options = options;
    this.#metrics = options.metrics;
    this.#convergence = new Convergence(clock, (ms) => this.#metrics.convergenceSeconds.observe(ms / 1_000));
    this.#builder = new TableBuilder({
      history: this.#history,
      trustDomain,
      stateFiles,
      agentNodes: () => platform.presence.nodes,
      onPublished: (table) => this.#published(table),
      onJudged: (verdict) => this.#judged(verdict),
      clock,
      log,
    });
  }

  /** Rejects when the authority cannot be used or the port cannot be had; wrong documents are no reason. */
  async start(): Promise<ControllerPorts> {
    const { platform, stateFiles } = this.#options;
    const adminPort = await this.#startAdmin();
    const remembered = await stateFiles.load();
    this.#step = "the list of nodes with an agent";
    await platform.presence.start(() => void this.#builder.agentsChanged());
    this.#step = "the certificate authority";
    const authority = new CertificateAuthority(
      await platform.authority.open((material) => void this.#authorityChanged(material)),
      this.#options.clock,
    );
    this.#useAuthority(authority);
    this.#step = "documents";
    await this.#builder.restore(remembered);
    await platform.source.start((state) => void this.#builder.setState(state));
    // An agent must not be sent the table of yesterday first: wait until the documents are judged.
    await this.#builder.settled();
    this.#step = "the channel's port";
    const channel = await this.#startChannel(authority);
    platform.start((leader) => this.#quotas?.setLeader(leader));
    return { channel, admin: adminPort };
  }

  /** Orderly: what only a leader may do is given up, agents are told, files are written. */
  async close(): Promise<void> {
    const { platform, stateFiles } = this.#options;
    this.#serverIdentity?.close();
    this.#quotas?.close();
    // None of these must wait for another: an API server that is slow would keep the Lease, or the agents, from being told.
    const { source, authority, presence } = platform;
    await Promise.all([platform.close(), this.#channel?.close(), source.close(), authority.close(), presence.close()]);
    await this.#builder.settled();
    await stateFiles.flush();
    await this.#admin?.close();
  }

  #useAuthority(authority: CertificateAuthority): void {
    this.#authority = authority;
    this.#metrics.authorityExpiry.set(authority.notAfterMs / 1_000);
  }

  /** First our own certificate: an agent that trusts the new roots only must find one that leads to them. */
  async #authorityChanged(material: AuthorityMaterial): Promise<void> {
    const authority = this.#authority;
    if (authority === undefined) return;
    authority.use(material);
    this.#useAuthority(authority);
    this.#options.log.info({ issuer: authority.issuer }, "The certificate authority has changed, agents are told");
    await this.#serverIdentity?.renew();
    this.#channel?.announceRoots();
  }

  async #startChannel(authority: CertificateAuthority): Promise<number> {
    const { clock, log, platform, serverNames, listen, leafLifetimeMs } = this.#options;
    const { issuer } = authority;
    const quotas = this.#createQuotas(authority);
    this.#quotas = quotas;
    const serverIdentity = new ServerIdentity({ authority, names: serverNames, clock, log });
    const channel = new ChannelServer({
      listen,
      certificate: await serverIdentity.issue(),
      authenticator: platform.authenticator,
      isNode: (node) => this.#nodes.has(node),
      history: this.#history,
      roots: () => ({ kind: "roots", roots: authority.rootsPem, issuer: authority.issuer }),
      signer: new CertificateSigner({
        authority,
        placement: () => this.#placement,
        lifetimeMs: leafLifetimeMs,
        log,
        count: (result) => this.#metrics.signRequests.inc({ result }),
      }),
      convergence: this.#convergence,
      quotas,
      replicaToken: () => authority.replicaToken,
      onReady: (node) => platform.presence.add(node),
      onRemoved: (node) => platform.presence.remove(node),
      metrics: this.#metrics,
      clock,
      log,
    });
    const port = await channel.start();
    this.#port = port;
    serverIdentity.watch((certificate) => channel.setCertificate(certificate));
    this.#serverIdentity = serverIdentity;
    this.#channel = channel;
    // It may have changed while the port was opened.
    if (authority.issuer !== issuer) await serverIdentity.renew();
    return port;
  }

  #createQuotas(authority: CertificateAuthority): QuotaDesk {
    const { clock, log, serverNames } = this.#options;
    return new QuotaDesk({
      mesh: () => this.#meshOfQuotas(),
      send: (agent, message) => this.#channel?.sendLease(agent, message),
      createLink: (host, onLease, onOpen) =>
        new QuotaLink({
          host,
          // All replicas are one Deployment.
          port: this.#port,
          servername: serverNames.find((name) => isIP(name) === 0) ?? "localhost",
          credentials: () => ({ token: authority.replicaToken, roots: authority.rootsPem }),
          onLease,
          onOpen,
          clock,
          random: Math.random,
          log,
        }),
      onSettled: (leases, inDemand) => {
        this.#metrics.quotaLeases.inc(leases);
        this.#metrics.quotasInDemand.set(inDemand);
      },
      clock,
      random: Math.random,
    });
  }

  /** Looked for when there is demand, once for each table. */
  #meshOfQuotas(): QuotaMesh {
    const table = this.#history.current;
    if (table === undefined) return { terms: new Map(), nodes: new Set() };
    if (this.#quotaMesh?.table !== table) {
      this.#quotaMesh = { table, mesh: { terms: quotaTerms(table.routes), nodes: quotaNodes(table) } };
    }
    return this.#quotaMesh.mesh;
  }

  #startAdmin(): Promise<number | undefined> {
    const { admin: listen, clock, log } = this.#options;
    this.#admin = new AdminServer({
      listen,
      pending: () => this.#pending(),
      status: () => this.#status(),
      table: () => this.#history.current,
      metricsText: () => this.#metrics.registry.metrics(),
      clock,
      log,
    });
    return this.#admin.start();
  }

  async #published(table: TableSnapshot): Promise<void> {
    this.#placement = new IdentityPlacement(table);
    this.#metrics.tableSequence.set(table.sequence);
    this.#convergence.published(table.sequence, table.epoch !== this.#epoch);
    this.#epoch = table.epoch;
    this.#nodes = nodeNames(table);
    // First the tokens: a node that was removed must not come back while its channel is being closed.
    const nodesSet = this.#options.platform.setNodes(this.#nodes);
    this.#channel?.publish(table);
    await nodesSet;
  }

  #judged({ problems, refused }: Verdict): void {
    this.#metrics.documentProblems.set(problems);
    if (refused) this.#metrics.documentsRefused.inc();
  }

  #pending(): string[] {
    const pending: string[] = [];
    const { problem } = this.#options.platform.authority;
    if (this.#channel === undefined) pending.push(problem === "" ? this.#step : `${this.#step} (${problem})`);
    if (this.#history.current === undefined) pending.push("documents without problems");
    return pending;
  }

  #status(): object {
    const { platform } = this.#options;
    const status = controllerStatus({
      table: this.#history.current,
      sessions: this.#channel?.sessions ?? [],
      convergence: this.#convergence.summary(),
      problems: [platform.authority.problem, ...this.#builder.problems].filter((problem) => problem !== ""),
      settled: this.#builder.isSettled && platform.presence.isSettled,
      issuer: this.#authority?.issuer,
      quotas: this.#quotas?.status,
      nowMs: this.#options.clock.monotonicMs(),
      wallClockMs: this.#options.clock.nowMs(),
    });
    return { ...status, ...platform.status() };
  }
}
