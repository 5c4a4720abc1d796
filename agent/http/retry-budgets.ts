/**
 * How many retries the requests to a Service have earned (GEP-3388): a share of the requests of the last interval, or a
 * minimum while these are few. When everything fails, retries must not be what keeps it down.
 */
import type { Clock } from "../../core/clock.ts";
import type { RetryBudget } from "../../protocol/route-table.ts";
import { httpLimits } from "./limits.ts";

/** A window that slides in steps: the present slot and the one before, weighed by how much of it is still inside. */
class SlidingCount {
  #startedMs = 0;
  #present = 0;
  #before = 0;

  add(nowMs: number, intervalMs: number): void {
    this.#move(nowMs, intervalMs);
    this.#present += 1;
  }

  count(nowMs: number, intervalMs: number): number {
    this.#move(nowMs, intervalMs);
    return this.#present + this.#before * (1 - (nowMs - this.#startedMs) / intervalMs);
  }

  #move(nowMs: number, intervalMs: number): void {
    const passed = Math.floor((nowMs - this.#startedMs) / intervalMs);
    if (passed <= 0) return;
    this.#before = passed === 1 ? this.#present : 0;
    this.#present = 0;
    this.#startedMs += passed * intervalMs;
  }
}

interface Spending {
  readonly requests: SlidingCount;
  readonly retries: SlidingCount;
  readonly minimum: SlidingCount;
}

export class RetryBudgets {
  readonly #clock: Clock;
  readonly #onLimit: (name: "retryBudgets") => void;
  readonly #services = new Map<string, Spending>();

  constructor(clock: Clock, onLimit: (name: "retryBudgets") => void) {
    this.#clock = clock;
    this.#onLimit = onLimit;
  }

  /** A request that may be retried. */
  requested(service: string, { intervalMs }: RetryBudget): void {
    this.#of(service).requests.add(this.#clock.monotonicMs(), intervalMs);
  }

  /** Takes one retry out of the budget. False: it is spent. */
  retry(service: string, budget: RetryBudget): boolean {
    const nowMs = this.#clock.monotonicMs();
    const { requests, retries, minimum } = this.#of(service);
    const earned = (requests.count(nowMs, budget.intervalMs) * budget.percent) / 100;
    const withinShare = retries.count(nowMs, budget.intervalMs) + 1 <= earned;
    const withinMinimum = minimum.count(nowMs, budget.minRetriesIntervalMs) + 1 <= budget.minRetries;
    if (!withinShare && !withinMinimum) return false;
    retries.add(nowMs, budget.intervalMs);
    minimum.add(nowMs, budget.minRetriesIntervalMs);
    return true;
  }

  #of(service: string): Spending {
    let spending = this.#services.get(service);
    if (spending === undefined) {
      if (this.#services.size >= httpLimits.retryBudgets) this.#forgetOldest();
      spending = { requests: new SlidingCount(), retries: new SlidingCount(), minimum: new SlidingCount() };
      this.#services.set(service, spending);
    }
    return spending;
  }

  #forgetOldest(): void {
    for (const oldest of this.#services.keys()) {
      this.#services.delete(oldest);
      this.#onLimit("retryBudgets");
      return;
    }
  }
}
