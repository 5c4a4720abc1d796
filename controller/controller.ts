/**
 * The control plane in one object: source -> table -> agents, and the certificate authority.
 *
 *   source --> TableBuilder --> TableHistory --> ChannelServer --> agents
 *                  ^   \-> StateFiles, JoinTokens, IdentityPlacement
 *                  +------- a node's agent is ready / removed ------+
 */
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { TableSnapshot } from "../protocol/table.ts";
import { AdminServer } from "./admin-server.ts";
import { openAuthority } from "./authority-files.ts";
import { CertificateAuthority } from "./certificate-authority.ts";
import { CertificateSigner } from "./certificate-signer.ts";
import { ChannelServer } from "./channel-server.ts";
import { Convergence } from "./convergence.ts";
import { controllerStatus } from "./controller-status.ts";
import { IdentityPlacement } from "./identity-placement.ts";
import { JoinTokens } from "./join-tokens.ts";
import type { ListenAddress } from "./listen-address.ts";
import { ControllerMetrics } from "./metrics.ts";
import { ServerIdentity } from "./server-identity.ts";
import type { Source } from "./source.ts";
import { StateFiles } from "./state-files.ts";
import { TableBuilder, type Verdict } from "./table-builder.ts";
import { TableHistory } from "./table-history.ts";

export interface ControllerOptions {
  readonly source: Source;
  readonly stateDirectory: string;
  readonly listen: ListenAddress;
  readonly admin: ListenAddress;
  /** DNS names and IP addresses under which agents dial. */
  readonly serverNames: readonly string[];
  /** Used when the Mesh document names none, and in the name of a new root. */
  readonly trustDomain: string;
  readonly leafLifetimeMs: number;
  readonly metrics?: ControllerMetrics;
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
  readonly #stateFiles: StateFiles;
  readonly #tokens: JoinTokens;
  readonly #builder: TableBuilder;
  #placement: IdentityPlacement | undefined;
  #epoch = "";
  #serverIdentity: ServerIdentity | undefined;
  #channel: ChannelServer | undefined;
  #admin: AdminServer | undefined;

  constructor(options: ControllerOptions) {
    const { clock, log, stateDirectory } = options;
    this.#options = options;
    this.#metrics = options.metrics ?? new ControllerMetrics();
    const count = (): void => this.#metrics.storeFailures.inc();
    this.#convergence = new Convergence(clock, (ms) => this.#metrics.convergenceSeconds.observe(ms / 1_000));
    this.#stateFiles = new StateFiles({ directory: stateDirectory, clock, log, count });
    this.#tokens = new JoinTokens({ directory: join(stateDirectory, "tokens"), log, count });
    this.#builder = new TableBuilder({
      history: this.#history,
      trustDomain: options.trustDomain,
      stateFiles: this.#stateFiles,
      onPublished: (table) => this.#published(table),
      onJudged: (verdict) => this.#judged(verdict),
      clock,
      log,
    });
  }

  /** Rejects when the authority's files cannot be used or the port cannot be had; wrong documents are no reason. */
  async start(): Promise<ControllerPorts> {
    const remembered = await this.#stateFiles.load();
    const authority = await this.#openAuthority();
    const adminPort = await this.#startAdmin();
    await this.#builder.restore(remembered);
    await this.#options.source.start((state) => void this.#builder.setState(state));
    // An agent must not be sent the table of yesterday first: wait until the documents are judged.
    await this.#builder.settled();
    return { channel: await this.#startChannel(authority), admin: adminPort };
  }

  /** Orderly: agents are told, files are written. */
  async close(): Promise<void> {
    await this.#options.source.close();
    this.#serverIdentity?.close();
    await this.#channel?.close();
    await this.#builder.settled();
    await this.#stateFiles.flush();
    await this.#admin?.close();
  }

  async #openAuthority(): Promise<CertificateAuthority> {
    const { clock, log, stateDirectory, trustDomain } = this.#options;
    const material = await openAuthority({ directory: stateDirectory, trustDomain, clock, log });
    const authority = new CertificateAuthority(material, clock);
    this.#metrics.authorityExpiry.set(authority.notAfterMs / 1_000);
    return authority;
  }

  async #startChannel(authority: CertificateAuthority): Promise<number> {
    const { clock, log, serverNames, listen, leafLifetimeMs } = this.#options;
    const serverIdentity = new ServerIdentity({ authority, names: serverNames, clock, log });
    const channel = new ChannelServer({
      listen,
      certificate: await serverIdentity.issue(),
      tokens: this.#tokens,
      history: this.#history,
      signer: new CertificateSigner({
        authority,
        placement: () => this.#placement,
        lifetimeMs: leafLifetimeMs,
        log,
        count: (result) => this.#metrics.signRequests.inc({ result }),
      }),
      convergence: this.#convergence,
      onReady: (node) => void this.#builder.setAgent(node),
      onRemoved: (node) => void this.#builder.clearAgent(node),
      metrics: this.#metrics,
      clock,
      log,
    });
    const port = await channel.start();
    serverIdentity.watch((certificate) => channel.setCertificate(certificate));
    this.#serverIdentity = serverIdentity;
    this.#channel = channel;
    return port;
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
    // First the tokens: a node that was removed must not come back while its channel is being closed.
    const tokensReady = this.#tokens.setNodes(new Set(table.nodes.map((node) => node.name)));
    this.#channel?.publish(table);
    await tokensReady;
  }

  #judged({ problems, refused }: Verdict): void {
    this.#metrics.documentProblems.set(problems);
    if (refused) this.#metrics.documentsRefused.inc();
  }

  #pending(): string[] {
    const pending: string[] = [];
    if (this.#history.current === undefined) pending.push("documents without problems");
    if (this.#channel === undefined) pending.push("the channel's port");
    return pending;
  }

  #status(): object {
    return controllerStatus({
      table: this.#history.current,
      sessions: this.#channel?.sessions ?? [],
      convergence: this.#convergence.summary(),
      problems: this.#builder.problems,
      settled: this.#builder.isSettled,
      nowMs: this.#options.clock.monotonicMs(),
      wallClockMs: this.#options.clock.nowMs(),
    });
  }
}
