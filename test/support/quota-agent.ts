/** An agent as far as quotas go, on a real channel to a real controller, with clients that want so much per second. */
import { AgentQuotas } from "../../agent/quota/agent-quotas.ts";
import { QuotaNodeCount } from "../../agent/quota/quota-node-count.ts";
import { WorkerQuotas } from "../../agent/quota/worker-quotas.ts";
import { type Clock, systemClock, type Timer } from "../../core/clock.ts";
import { newcomerBurst } from "../../protocol/quota.ts";
import type { Quota } from "../../protocol/route-table.ts";
import { type ControllerAccess, TestAgent } from "./controller-under-test.ts";

const PERIOD_MS = 5;

export class QuotaAgent {
  readonly node: string;
  readonly agent: TestAgent;
  /** Wanted per second. */
  demand = 0;
  admitted = 0;
  readonly #quotas: AgentQuotas;
  readonly #worker: WorkerQuotas;
  readonly #timer: Timer;
  #owed = 0;
  #atMs: number;

  constructor(controller: ControllerAccess, node: string, quota: Quota, clock: Clock = systemClock) {
    this.node = node;
    this.#atMs = clock.monotonicMs();
    const nodes = new QuotaNodeCount(() => this.agent.table);
    this.#worker = new WorkerQuotas({
      clock,
      post: (usage) => this.#quotas.workerTold(0, usage),
      allowance: (requests) => newcomerBurst(requests, nodes.count, 1),
      onLimit: () => {},
    });
    this.#quotas = new AgentQuotas({
      workers: 1,
      nodes: () => nodes.count,
      send: (report) => this.agent.channel.send(report),
      post: (_, rates) => this.#worker.setRates(rates),
      clock,
      metrics: { quotaUsage: () => {}, quotaStates: () => {}, limitHit: () => {} },
    });
    this.agent = new TestAgent(controller, node, {
      onOpen: () => {
        this.agent.channel.send({ kind: "report", ready: true, counters: {} });
        this.#quotas.channelOpened();
      },
      onClose: () => this.#quotas.channelLost(),
      onQuotaLease: (message) => this.#quotas.leased(message),
    });
    this.#timer = clock.every(PERIOD_MS, () => this.#want(quota, clock.monotonicMs()));
    this.agent.channel.start();
  }

  /** The agent's share now, and why it has it. */
  get state(): AgentQuotas["states"][number] | undefined {
    return this.#quotas.states[0];
  }

  async close(): Promise<void> {
    this.#timer.cancel();
    this.#worker.close();
    this.#quotas.close();
    await this.agent.channel.close();
  }

  #want(quota: Quota, nowMs: number): void {
    this.#owed += ((nowMs - this.#atMs) * this.demand) / 1_000;
    this.#atMs = nowMs;
    for (; this.#owed >= 1; this.#owed -= 1) if (this.#worker.admit([quota]) === undefined) this.admitted += 1;
  }
}
