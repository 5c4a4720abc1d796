/**
 * Who has what of one quota. Pure: told what agents report, it says what they are leased.
 *
 *   reports --> demand, acknowledgements --> settle: max-min fair targets --> leases
 *
 * Always: what agents may be entitled to is never more than can be leased. A lease counts until it has ended, or until its
 * agent has said that a later one is in force; so a share is given on only when it is certainly free.
 *
 * What agents could not keep of their shares, and what nobody was leased, is not lost: it is kept for a moment and given
 * once to those who had to refuse (`credit`). So estimates of demand may be rough and the total is exact all the same.
 */
import { DemandEstimate } from "../../core/demand-estimate.ts";
import { cappedShares, maxMinShares } from "../../core/max-min-shares.ts";
import type { QuotaUsage } from "../../protocol/channel.ts";
import {
  burstOf,
  fairShare,
  leasable,
  QUOTA_DEMAND_SETTLE_MS,
  QUOTA_LEASE_MS,
  type QuotaTerms,
} from "../../protocol/quota.ts";

/** A share that moved by less than this part of the quota goes with the answer to the next report. */
const PUSHED_PART = 0.02;
/** A credit of less than a request waits for the next message. */
const PUSHED_CREDIT = 1;

/** Less than any id of ours. */
const FOREIGN = 0;

/** What leases depend on besides the reports. */
export interface QuotaSituation {
  /** Nodes whose agents divide the quota when nobody can be asked. */
  readonly nodes: ReadonlySet<string>;
  /** Nodes whose agents are in touch. The fair share of all others is set aside. */
  readonly present: ReadonlySet<string>;
  /** Somebody else may have leased something a moment ago: shares stay where they are. */
  readonly frozen: boolean;
}

export interface QuotaGrant {
  readonly agent: string;
  readonly id: number;
  readonly share: number;
  readonly credit: number;
}

export interface QuotaHolding {
  readonly node: string;
  readonly wanted: number;
  readonly share: number;
}

interface Lease {
  readonly id: number;
  readonly share: number;
  untilMs: number;
}

interface Holder {
  readonly node: string;
  readonly demand: DemandEstimate;
  /** Oldest first; the last one is in force, or on its way. */
  leases: Lease[];
  /** Requests that it had to refuse and has got no credit for. */
  refused: number;
  isAnswered: boolean;
  isPresent: boolean;
}

export class QuotaLedger {
  readonly #nextId: () => number;
  readonly #holders = new Map<string, Holder>();
  #terms: QuotaTerms;
  /** Requests that nobody has been entitled to yet. */
  #spare = 0;
  /** Leased to nobody since the last settlement. */
  #unleased = 0;
  #settledMs: number | undefined;

  constructor(terms: QuotaTerms, nextId: () => number) {
    this.#terms = terms;
    this.#nextId = nextId;
  }

  get isIdle(): boolean {
    return this.#holders.size === 0;
  }

  set terms(terms: QuotaTerms) {
    this.#terms = terms;
  }

  /** Of agents in touch, in requests per `perMs`. */
  *holdings(nowMs: number): Iterable<QuotaHolding> {
    for (const { node, demand, leases, isPresent } of this.#holders.values()) {
      if (!isPresent) continue;
      const share = leases.findLast(({ untilMs }) => untilMs > nowMs)?.share ?? 0;
      yield { node, wanted: demand.rate * this.#terms.perMs, share };
    }
  }

  report(agent: string, node: string, usage: QuotaUsage, nowMs: number): void {
    this.#spare += usage.unused;
    if (usage.idle === true) {
      this.#holders.delete(agent);
      return;
    }
    const holder = this.#holderOf(agent, node);
    holder.isPresent = true;
    holder.isAnswered = false;
    if (usage.overMs > 0) {
      holder.demand.observe(usage.wanted, Math.max(1, usage.overMs));
      holder.refused = Math.max(0, usage.wanted - usage.admitted);
    }
    // No agent can hold more than there is, whatever it says.
    const share = Math.min(usage.share, leasable(this.#terms.requests));
    acknowledge(holder, { ...usage, share }, nowMs);
  }

  /** Its channel is lost: what it was leased it may use to the end. */
  left(agent: string): void {
    const holder = this.#holders.get(agent);
    if (holder !== undefined) holder.isPresent = false;
  }

  /** What is to be told to agents now. */
  settle(situation: QuotaSituation, nowMs: number): readonly QuotaGrant[] {
    this.#expire(nowMs);
    this.#keepSpare(situation, nowMs);
    const holders = [...this.#holders].filter(([, holder]) => isAsking(holder));
    const shares = this.#shares(
      holders.map(([, holder]) => holder),
      situation,
    );
    const credits = this.#credits(holders.map(([, holder]) => holder));
    const grants: QuotaGrant[] = [];
    holders.forEach(([agent, holder], index) => {
      const share = shares[index] as number;
      const credit = credits[index] as number;
      if (!this.#isWorthTelling(holder, share, credit)) return;
      const id = this.#nextId();
      holder.leases.push({ id, share, untilMs: nowMs + QUOTA_LEASE_MS });
      holder.isAnswered = true;
      holder.refused = Math.max(0, holder.refused - credit);
      this.#spare -= credit;
      grants.push({ agent, id, share, credit });
    });
    return grants;
  }

  #holderOf(agent: string, node: string): Holder {
    const known = this.#holders.get(agent);
    if (known !== undefined) return known;
    const demand = new DemandEstimate(QUOTA_DEMAND_SETTLE_MS);
    const created: Holder = { node, demand, leases: [], refused: 0, isAnswered: false, isPresent: true };
    this.#holders.set(agent, created);
    return created;
  }

  /** An agent in touch says when it is idle. One that has only fallen silent cannot ask, and takes its fair share soon. */
  #expire(nowMs: number): void {
    for (const [agent, holder] of this.#holders) {
      holder.leases = holder.leases.filter(({ untilMs }) => untilMs > nowMs);
      if (!holder.isPresent && holder.leases.length === 0) this.#holders.delete(agent);
    }
  }

  #keepSpare({ frozen }: QuotaSituation, nowMs: number): void {
    const { requests, perMs } = this.#terms;
    const most = burstOf(requests);
    if (frozen) this.#spare = 0;
    else if (this.#settledMs === undefined) this.#spare = this.#isFresh ? most : 0;
    else this.#spare = Math.min(most, this.#spare + (this.#unleased * (nowMs - this.#settledMs)) / perMs);
    this.#settledMs = nowMs;
  }

  /** Nobody has said that he was entitled to anything. */
  get #isFresh(): boolean {
    return [...this.#holders.values()].every(({ leases }) => leases.length === 0);
  }

  /** Those that shrink do so at once; those that grow share what is free. */
  #shares(holders: readonly Holder[], situation: QuotaSituation): readonly number[] {
    const counted = holders.map(countedShare);
    const capacity = this.#capacity(situation);
    const free = Math.max(0, capacity - sum(counted));
    this.#unleased = 0;
    if (situation.frozen) return counted;
    const targets = maxMinShares(
      capacity,
      holders.map(({ demand }) => demand.rate * this.#terms.perMs),
    );
    const missing = targets.map((target, index) => Math.max(0, target - (counted[index] as number)));
    const part = Math.min(1, free / Math.max(sum(missing), Number.MIN_VALUE));
    this.#unleased = free - sum(missing) * part;
    return targets.map((target, index) =>
      Math.min(target, (counted[index] as number) + (missing[index] as number) * part),
    );
  }

  /** What the agents in touch may have together. */
  #capacity({ nodes, present }: QuotaSituation): number {
    const fair = fairShare(this.#terms.requests, nodes.size);
    const away = nodes.difference(present);
    let setAside = fair * away.size;
    for (const holder of this.#holders.values()) {
      if (isAsking(holder)) continue;
      // The fair share is taken when a lease has ended, not beside it.
      const held = holder.isPresent ? fair : countedShare(holder);
      setAside += Math.max(0, held - (away.has(holder.node) ? fair : 0));
    }
    return Math.max(0, leasable(this.#terms.requests) - setAside);
  }

  #credits(holders: readonly Holder[]): readonly number[] {
    return cappedShares(
      this.#spare,
      holders.map(({ refused }) => refused),
    );
  }

  #isWorthTelling({ leases, isAnswered }: Holder, share: number, credit: number): boolean {
    if (!isAnswered || credit >= PUSHED_CREDIT) return true;
    return Math.abs(share - (leases.at(-1)?.share ?? 0)) > this.#terms.requests * PUSHED_PART;
  }
}

function isAsking({ isPresent, isAnswered, leases }: Holder): boolean {
  return isPresent && (leases.length > 0 || !isAnswered);
}

/** The most that the agent may be entitled to at this moment. */
function countedShare({ leases }: Holder): number {
  return leases.reduce((most, { share }) => Math.max(most, share), 0);
}

function acknowledge(holder: Holder, { lease, share }: QuotaUsage, nowMs: number): void {
  const known = holder.leases.some(({ id }) => id === lease);
  if (known) holder.leases = holder.leases.filter(({ id }) => id >= lease);
  else if (share > 0) {
    // Somebody else's lease, or the fair share that it took without one, until one of ours is in force.
    const ours = holder.leases.filter(({ id }) => id !== FOREIGN);
    holder.leases = [...ours, { id: FOREIGN, share, untilMs: nowMs + QUOTA_LEASE_MS }];
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
