/**
 * A mesh as far as quotas are concerned, on a clock that is moved by hand: nodes with an agent and its workers, replicas of
 * the controller of which one may lead, messages that take time or are lost, and clients that want so much per second.
 */
import { AgentQuotas } from "../../agent/quota/agent-quotas.ts";
import { WorkerQuotas } from "../../agent/quota/worker-quotas.ts";
import { type QuotaAgent, QuotaLeases } from "../../controller/quota/quota-leases.ts";
import type { QuotaLeaseMessage, QuotaReportMessage } from "../../protocol/channel.ts";
import { newcomerBurst } from "../../protocol/quota.ts";
import type { Quota } from "../../protocol/route-table.ts";
import { FakeClock } from "./fake-clock.ts";
import { seededRandom } from "./seeded-random.ts";

export interface QuotaWorldOptions {
  readonly requests: number;
  readonly perMs?: number;
  readonly nodes: number;
  readonly workers?: number;
  /** One way. */
  readonly delayMs?: number;
}

export class QuotaNode {
  readonly name: string;
  /** Wanted per second. */
  demand = 0;
  /** How many come at once. */
  clump = 1;
  admitted = 0;
  refused = 0;
  reports = 0;
  /** Of each worker. */
  weights: readonly number[];
  agent!: AgentQuotas;
  workers: WorkerQuotas[] = [];
  life = 0;
  connected = false;
  /** Of the channel: what an earlier one had under way is lost with it. */
  channel = 0;
  /** Of the last message under way. */
  readonly arrivalMs = { up: 0, down: 0 };

  constructor(name: string, workers: number) {
    this.name = name;
    this.weights = Array.from({ length: workers }, () => 1 / workers);
  }
}

export class QuotaWorld {
  readonly clock = new FakeClock();
  readonly random = seededRandom(7);
  readonly nodes: QuotaNode[];
  readonly quota: Quota;
  /** Share of messages that are lost. */
  loss = 0;
  delayMs: number;
  leases: QuotaLeases;
  readonly #workers: number;
  readonly #nodeNames: Set<string>;

  constructor({ requests, perMs = 1_000, nodes, workers = 2, delayMs = 2 }: QuotaWorldOptions) {
    this.quota = { name: "shop/catalog", requests, perMs, policy: "shop/catalog", scope: "Service shop/catalog" };
    this.delayMs = delayMs;
    this.#workers = workers;
    this.nodes = Array.from({ length: nodes }, (_, index) => new QuotaNode(`node-${index + 1}`, workers));
    this.#nodeNames = new Set(this.nodes.map(({ name }) => name));
    this.leases = this.#createLeases();
    for (const node of this.nodes) this.startAgent(node);
    this.clock.every(1, () => this.nodes.forEach((node) => this.#want(node)));
  }

  /** A controller that agents can reach. */
  startController(): void {
    this.leases = this.#createLeases();
    this.leases.lead();
    for (const node of this.nodes) this.connect(node);
  }

  stopController(): void {
    for (const node of this.nodes) this.disconnect(node);
    this.leases.resign();
  }

  connect(node: QuotaNode): void {
    if (node.connected) return;
    node.connected = true;
    node.channel += 1;
    node.agent.channelOpened();
  }

  disconnect(node: QuotaNode): void {
    if (!node.connected) return;
    node.connected = false;
    node.agent.channelLost();
    this.leases.left({ node: node.name, instance: `${node.life}` });
  }

  /** The process ends, and another one begins. */
  startAgent(node: QuotaNode): void {
    this.disconnect(node);
    node.agent?.close();
    for (const worker of node.workers) worker.close();
    node.life += 1;
    const { clock } = this;
    const agent = new AgentQuotas({
      workers: this.#workers,
      nodes: () => this.#nodeNames.size,
      send: (report) => node.connected && this.#toController(node, report),
      post: (worker, rates) => node.workers[worker]?.setRates(rates),
      clock,
      metrics: { quotaUsage: () => {}, quotaStates: () => {}, limitHit: () => {} },
    });
    node.agent = agent;
    node.workers = Array.from(
      { length: this.#workers },
      (_, index) =>
        new WorkerQuotas({
          clock,
          post: (usage) => agent.workerTold(index, usage),
          allowance: (requests) => newcomerBurst(requests, this.#nodeNames.size, this.#workers),
          onLimit: () => {},
        }),
    );
  }

  /** Moves time; gives what was admitted in each of so many seconds. */
  seconds(count: number, perSecondMs = 1_000): number[] {
    return Array.from({ length: count }, () => {
      const before = this.admitted;
      this.clock.advance(perSecondMs);
      return this.admitted - before;
    });
  }

  get admitted(): number {
    return this.nodes.reduce((sum, { admitted }) => sum + admitted, 0);
  }

  /** Of each node, per second, over so many. */
  rates(seconds: number): number[] {
    const before = this.nodes.map(({ admitted }) => admitted);
    this.clock.advance(seconds * 1_000);
    return this.nodes.map(({ admitted }, index) => (admitted - (before[index] as number)) / seconds);
  }

  #createLeases(): QuotaLeases {
    const { requests, perMs } = this.quota;
    return new QuotaLeases({
      mesh: () => ({ terms: new Map([[this.quota.name, { requests, perMs }]]), nodes: this.#nodeNames }),
      send: (agent, message) => this.#toAgent(agent, message),
      clock: this.clock,
      random: this.random,
      onSettled: () => {},
    });
  }

  #toController(node: QuotaNode, report: QuotaReportMessage): boolean {
    node.reports += 1;
    const agent = { node: node.name, instance: `${node.life}` };
    this.#deliver(node, "up", () => this.leases.report(agent, report));
    return true;
  }

  #toAgent({ node: name }: QuotaAgent, message: QuotaLeaseMessage): void {
    const node = this.nodes.find((each) => each.name === name);
    if (node !== undefined) this.#deliver(node, "down", () => node.agent.leased(message));
  }

  /** Messages of a channel do not overtake each other. */
  #deliver(node: QuotaNode, direction: "up" | "down", work: () => void): void {
    if (this.loss > 0 && this.random() < this.loss) return;
    const { channel } = node;
    const dueMs = Math.max(node.arrivalMs[direction], this.clock.monotonicMs() + this.delayMs);
    node.arrivalMs[direction] = dueMs;
    this.clock.after(dueMs - this.clock.monotonicMs(), () => {
      if (node.connected && node.channel === channel) work();
    });
  }

  /** A millisecond of one node's clients: arrivals are independent of each other. */
  #want(node: QuotaNode): void {
    for (let count = this.#poisson(node.demand / 1_000 / node.clump) * node.clump; count > 0; count -= 1) {
      let pick = this.random();
      const worker = node.workers[node.weights.findIndex((weight) => (pick -= weight) < 0)] ?? node.workers[0];
      if (worker?.admit([this.quota]) === undefined) node.admitted += 1;
      else node.refused += 1;
    }
  }

  #poisson(mean: number): number {
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = this.random(); product > limit; product *= this.random()) count += 1;
    return count;
  }
}
