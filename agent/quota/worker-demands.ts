/** What each data worker wants of one quota, and how the agent's share is divided among them. */
import { DemandEstimate } from "../../core/demand-estimate.ts";
import { maxMinShares } from "../../core/max-min-shares.ts";
import { burstOf, QUOTA_DEMAND_SETTLE_MS, QUOTA_IDLE_MS } from "../../protocol/quota.ts";
import type { QuotaRate } from "./quota-bucket.ts";
import type { WorkerQuotaUsage } from "./quota-messages.ts";

/** In requests per `perMs`. */
export interface DividedShare {
  readonly share: number;
  /** A worker's part of what the agent would have of even parts. */
  readonly fair: number;
  readonly perMs: number;
  /** Requests that may come once, besides. */
  readonly credit: number;
}

interface Demand {
  readonly estimate: DemandEstimate;
  /** Since it was told its rate. */
  refused: number;
  wantedMs: number;
}

/** Of a share, what may come at once when it was not needed before: a fifth of a period. */
const RESERVED_PART = 0.2;

export class WorkerDemands {
  readonly #demands = new Map<number, Demand>();

  has(worker: number): boolean {
    return this.#demands.has(worker);
  }

  add(worker: number, { overMs, wanted, admitted }: WorkerQuotaUsage, nowMs: number): void {
    const demand = this.#demands.get(worker) ?? {
      estimate: new DemandEstimate(QUOTA_DEMAND_SETTLE_MS),
      refused: 0,
      wantedMs: nowMs,
    };
    this.#demands.set(worker, demand);
    if (overMs > 0) demand.estimate.observe(wanted, overMs);
    demand.refused += wanted - admitted;
    if (wanted > 0) demand.wantedMs = nowMs;
  }

  delete(worker: number): void {
    this.#demands.delete(worker);
  }

  /** Those that have not wanted anything for a while; they are forgotten. */
  takeIdle(nowMs: number): readonly number[] {
    const idle = [...this.#demands].filter(([, { wantedMs }]) => nowMs - wantedMs > QUOTA_IDLE_MS);
    for (const [worker] of idle) this.#demands.delete(worker);
    return idle.map(([worker]) => worker);
  }

  /** Requests that workers had to refuse since they were told their rates. */
  get refused(): number {
    let refused = 0;
    for (const demand of this.#demands.values()) refused += demand.refused;
    return refused;
  }

  /** What each is to be told. Empty: there is none, and the credit is still to be given. */
  divide({ share, fair, perMs, credit }: DividedShare): readonly (readonly [worker: number, rate: QuotaRate])[] {
    const demands = [...this.#demands];
    const shares = maxMinShares(
      share,
      demands.map(([, { estimate }]) => estimate.rate * perMs),
    );
    const credits = maxMinShares(
      credit,
      demands.map(([, { refused }]) => refused),
    );
    return demands.map(([worker, demand], index) => {
      demand.refused = 0;
      const part = shares[index] as number;
      const atOnce = Math.max(part, fair);
      const rate = { rate: part / perMs, burst: burstOf(atOnce), reserve: atOnce * RESERVED_PART };
      return [worker, { ...rate, credit: credits[index] as number }];
    });
  }
}
