/**
 * Quotas of one agent, in its main thread: adds up what the data workers count, reports it while there is demand, and
 * divides what the agent is entitled to among the workers by their demand.
 *
 *   asking --lease--> leased --ended, or given back--> asking
 *      \--no answer, or no channel, for a lease's life--> alone (fair share) --lease--> leased
 *
 * Leases count from the moment that the report they answer was sent, by this agent's clock alone: whoever leases counts
 * them from later on, so no delay makes one last longer than is known there.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import type { QuotaLease, QuotaLeaseMessage, QuotaReportMessage, QuotaUsage } from "../../protocol/channel.ts";
import type { LiveQuota } from "../../protocol/live-state.ts";
import {
  baseShare,
  burstOf,
  fairShare,
  newcomerBurst,
  QUOTA_IDLE_MS,
  QUOTA_LEASE_MS,
  QUOTA_REPORT_MS,
  type QuotaTerms,
} from "../../protocol/quota.ts";
import { quotaLimits } from "./limits.ts";
import type { WorkerQuotaRate, WorkerQuotaUsage } from "./quota-messages.ts";
import { WorkerDemands } from "./worker-demands.ts";

export interface AgentQuotasOptions {
  /** Data workers. */
  readonly workers: number;
  /** Nodes that a quota is divided among. */
  readonly nodes: () => number;
  /** False: there is no channel. */
  readonly send: (report: QuotaReportMessage) => boolean;
  readonly post: (worker: number, rates: readonly WorkerQuotaRate[]) => void;
  readonly clock: Clock;
  readonly metrics: QuotaMetrics;
}

export interface QuotaMetrics {
  quotaUsage(quota: string, admitted: number, refused: number): void;
  /** What the agent is entitled to has changed, or may have. */
  quotaStates(states: readonly QuotaState[]): void;
  limitHit(name: "quotasPerReport"): void;
}

/** For people and metrics. */
export type QuotaState = LiveQuota;

interface Held {
  terms: QuotaTerms;
  readonly workers: WorkerDemands;
  wanted: number;
  admitted: number;
  unused: number;
  credit: number;
  lease: { readonly id: number; readonly share: number; readonly untilMs: number } | undefined;
  leaseId: number;
  isAlone: boolean;
  /** Sequence of the first report about it. */
  readonly firstReport: number;
  /** When the first report was sent that has no answer yet. */
  askedMs: number | undefined;
  reportedMs: number;
  wantedMs: number;
}

/** A lease that is smaller by less than this part is acknowledged with the next report. */
const NOTABLE_PART = 0.02;
/** Sent reports whose time is remembered: more than are under way in a lease's life. */
const REMEMBERED_REPORTS = 64;

export class AgentQuotas {
  readonly #options: AgentQuotasOptions;
  readonly #held = new Map<string, Held>();
  /** Sequence of a report -> when it was sent. */
  readonly #sentMs = new Map<number, number>();
  #sequence = 0;
  /** Undefined: there is a channel. Before the first one: since the start. */
  #lostMs: number | undefined;
  #timer: Timer | undefined;

  constructor(options: AgentQuotasOptions) {
    this.#options = options;
    this.#lostMs = options.clock.monotonicMs();
  }

  get states(): readonly QuotaState[] {
    const nowMs = this.#options.clock.monotonicMs();
    return [...this.#held].map(([name, held]) => ({
      name,
      ...held.terms,
      standing: held.lease !== undefined ? "leased" : held.isAlone ? "alone" : "asking",
      share: this.#entitled(held) + baseShare(held.terms.requests, this.#options.nodes()),
      ...(held.lease === undefined ? {} : { leaseEndsInMs: Math.round(held.lease.untilMs - nowMs) }),
    }));
  }

  workerTold(worker: number, usage: readonly WorkerQuotaUsage[]): void {
    const nowMs = this.#options.clock.monotonicMs();
    const begun: string[] = [];
    for (const one of usage) {
      const known = this.#held.get(one.name);
      if (known === undefined && one.wanted === 0) continue;
      const held = known ?? this.#begin(one, nowMs);
      const isNew = !held.workers.has(worker);
      this.#options.metrics.quotaUsage(one.name, one.admitted, one.wanted - one.admitted);
      this.#add(held, worker, one, nowMs);
      if (known === undefined) begun.push(one.name);
      else if (isNew) this.#distribute([one.name]);
    }
    if (begun.length === 0) return;
    this.#report(begun);
    this.#distribute(begun);
    this.#timer ??= this.#options.clock.every(QUOTA_REPORT_MS, () => this.#tick());
  }

  /** Its requests are lost with it. */
  workerDied(worker: number): void {
    for (const held of this.#held.values()) held.workers.delete(worker);
    this.#distribute(this.#held.keys());
  }

  channelOpened(): void {
    this.#lostMs = undefined;
    this.#sentMs.clear();
    for (const held of this.#held.values()) held.askedMs = undefined;
    this.#report([...this.#held.keys()]);
    this.#dismissIdle(this.#options.clock.monotonicMs());
  }

  channelLost(): void {
    this.#lostMs ??= this.#options.clock.monotonicMs();
  }

  leased({ report, validMs, leases }: QuotaLeaseMessage): void {
    const untilMs = (this.#sentMs.get(report) ?? Number.NEGATIVE_INFINITY) + Math.min(validMs, QUOTA_LEASE_MS);
    if (untilMs <= this.#options.clock.monotonicMs()) return;
    const shrunk: string[] = [];
    for (const lease of leases) {
      const held = this.#held.get(lease.name);
      // What it was leased before it said that it holds nothing is somebody else's by now.
      if (held === undefined || report < held.firstReport) continue;
      const before = this.#entitled(held);
      this.#take(held, lease, untilMs);
      if (lease.share < before * (1 - NOTABLE_PART)) shrunk.push(lease.name);
    }
    this.#distribute(leases.map(({ name }) => name));
    // Somebody else waits for it.
    if (shrunk.length > 0) this.#acknowledge(shrunk);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #begin(terms: QuotaTerms, nowMs: number): Held {
    const { requests, perMs } = terms;
    return {
      terms: { requests, perMs },
      workers: new WorkerDemands(),
      wanted: 0,
      admitted: 0,
      unused: 0,
      credit: 0,
      lease: undefined,
      leaseId: 0,
      isAlone: this.#hasNobody(undefined, nowMs),
      firstReport: this.#sequence + 1,
      askedMs: undefined,
      reportedMs: nowMs - QUOTA_REPORT_MS,
      wantedMs: nowMs,
    };
  }

  #add(held: Held, worker: number, usage: WorkerQuotaUsage, nowMs: number): void {
    const { name, requests, perMs, wanted, admitted, unused } = usage;
    this.#held.set(name, held);
    held.terms = { requests, perMs };
    held.wanted += wanted;
    held.admitted += admitted;
    held.unused += unused;
    if (wanted > 0) held.wantedMs = nowMs;
    held.workers.add(worker, usage, nowMs);
  }

  #tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const names = [...this.#held.keys()];
    for (const held of this.#held.values()) {
      // It must not be in force for longer; the next look comes later than it would end.
      if (held.lease !== undefined && held.lease.untilMs < nowMs + QUOTA_REPORT_MS) held.lease = undefined;
      held.isAlone ||= held.lease === undefined && this.#hasNobody(held.askedMs, nowMs);
      recycle(held);
    }
    this.#report(names);
    this.#distribute(names);
    this.#dismissIdle(nowMs);
    this.#options.metrics.quotaStates(this.states);
    if (this.#held.size === 0) this.close();
  }

  /** Workers without demand are left with their part of the reserve. */
  #dismissIdle(nowMs: number): void {
    const { workers: count, nodes, post } = this.#options;
    for (const [name, held] of this.#held) {
      const { requests, perMs } = held.terms;
      const rate = baseShare(requests, nodes()) / count / perMs;
      const burst = newcomerBurst(requests, nodes(), count);
      for (const worker of held.workers.takeIdle(nowMs)) post(worker, [{ name, rate, burst, reserve: 0, credit: 0 }]);
      if (isIdle(held, nowMs)) this.#held.delete(name);
    }
  }

  /** For as long as any lease lasts nobody could be asked: nobody else has one either, or the fair share is kept for us. */
  #hasNobody(askedMs: number | undefined, nowMs: number): boolean {
    const sinceMs = this.#lostMs ?? askedMs;
    return sinceMs !== undefined && nowMs - sinceMs >= QUOTA_LEASE_MS;
  }

  #take(held: Held, { id, share, credit }: QuotaLease, untilMs: number): void {
    held.lease = { id, share, untilMs };
    held.leaseId = id;
    held.credit += credit;
    held.isAlone = false;
    held.askedMs = undefined;
  }

  /** In requests per `perMs`, beside the part of the reserve. */
  #entitled({ lease, isAlone, terms }: Held): number {
    if (lease !== undefined) return Math.min(lease.share, terms.requests);
    return isAlone ? fairShare(terms.requests, this.#options.nodes()) : 0;
  }

  #report(names: readonly string[]): void {
    const nowMs = this.#options.clock.monotonicMs();
    // Empty after hello: it says that nothing is held.
    for (let start = 0; start === 0 || start < names.length; start += quotaLimits.quotasPerReport) {
      if (start > 0) this.#options.metrics.limitHit("quotasPerReport");
      this.#sendReport(names.slice(start, start + quotaLimits.quotasPerReport), nowMs);
    }
  }

  #sendReport(names: readonly string[], nowMs: number): void {
    const usages = names.flatMap((name) => {
      const held = this.#held.get(name);
      return held === undefined ? [] : [this.#usage(name, held, nowMs)];
    });
    const isSent = this.#send(usages);
    for (const name of names) {
      const held = this.#held.get(name);
      if (held === undefined) continue;
      if (isSent) held.askedMs ??= nowMs;
      held.reportedMs = nowMs;
      held.wanted = 0;
      held.admitted = 0;
      held.unused = 0;
    }
  }

  #usage(name: string, held: Held, nowMs: number): QuotaUsage {
    const { wanted, admitted, unused, leaseId: lease, reportedMs } = held;
    const share = this.#entitled(held);
    const usage = { name, overMs: nowMs - reportedMs, wanted, admitted, unused, lease, share };
    return isIdle(held, nowMs) ? { ...usage, share: 0, idle: true } : usage;
  }

  #acknowledge(names: readonly string[]): void {
    this.#send(
      names.flatMap((name) => {
        const held = this.#held.get(name);
        if (held === undefined) return [];
        const { leaseId: lease } = held;
        return [{ name, overMs: 0, wanted: 0, admitted: 0, unused: 0, lease, share: this.#entitled(held) }];
      }),
    );
  }

  #send(quotas: readonly QuotaUsage[]): boolean {
    this.#sequence += 1;
    if (!this.#options.send({ kind: "quota-report", sequence: this.#sequence, quotas })) return false;
    this.#sentMs.set(this.#sequence, this.#options.clock.monotonicMs());
    for (const oldest of this.#sentMs.keys()) {
      if (this.#sentMs.size <= REMEMBERED_REPORTS) break;
      this.#sentMs.delete(oldest);
    }
    return true;
  }

  /** Tells the workers that want of these quotas what they may. */
  #distribute(names: Iterable<string>): void {
    const letters = new Map<number, WorkerQuotaRate[]>();
    for (const name of names) {
      const held = this.#held.get(name);
      if (held === undefined) continue;
      for (const [worker, rate] of this.#rates(held)) {
        const rates = letters.get(worker) ?? [];
        letters.set(worker, rates);
        rates.push({ name, ...rate });
      }
    }
    for (const [worker, rates] of letters) this.#options.post(worker, rates);
  }

  #rates(held: Held): ReturnType<WorkerDemands["divide"]> {
    const { requests, perMs } = held.terms;
    const nodes = this.#options.nodes();
    const share = this.#entitled(held) + baseShare(requests, nodes);
    const fair = fairShare(requests, nodes) / this.#options.workers;
    const rates = held.workers.divide({ share, fair, perMs, credit: held.credit });
    if (rates.length > 0) held.credit = 0;
    return rates;
  }
}

/** What one worker could not keep is first another's of this agent. */
function recycle(held: Held): void {
  const kept = Math.min(held.workers.refused, held.unused, burstOf(held.terms.requests));
  held.credit += kept;
  held.unused -= kept;
}

function isIdle({ wantedMs }: Held, nowMs: number): boolean {
  return nowMs - wantedMs > QUOTA_IDLE_MS;
}
