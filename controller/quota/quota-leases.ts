/**
 * Leases shares of all quotas to the agents by demand. One in the mesh does so: the controller, or of several replicas the
 * leader, to which the others relay (docs/decisions/0027-quota.md).
 *
 *   idle --lead--> frozen --every node heard of, or a lease's life is over--> leading --resign--> idle
 *
 * Frozen: what an earlier one leased may still be in force, so agents keep what they say they have. Costs nothing while no
 * request wants of a quota: there are no timers but those that a report starts.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import type { QuotaLease, QuotaLeaseMessage, QuotaReportMessage } from "../../protocol/channel.ts";
import { QUOTA_LEASE_MS, type QuotaTerms } from "../../protocol/quota.ts";
import { type QuotaGrant, QuotaLedger, type QuotaSituation } from "./quota-ledger.ts";

/** One process of one node. */
export interface QuotaAgent {
  readonly node: string;
  readonly instance: string;
}

/** What the mesh says of quotas at this moment. */
export interface QuotaMesh {
  readonly terms: ReadonlyMap<string, QuotaTerms>;
  /** Among which they are divided when nobody can be asked. */
  readonly nodes: ReadonlySet<string>;
}

export interface QuotaLeasesOptions {
  readonly mesh: () => QuotaMesh;
  readonly send: (agent: QuotaAgent, message: QuotaLeaseMessage) => void;
  readonly clock: Clock;
  /** For metrics: leases given now, and quotas in demand. */
  readonly onSettled: (leases: number, inDemand: number) => void;
  /** Unlike the ids of any other life or replica: in [0, 1). */
  readonly random: () => number;
}

export interface QuotaStatus {
  readonly name: string;
  readonly requests: number;
  readonly perMs: number;
  readonly agents: readonly { readonly node: string; readonly wanted: number; readonly leased: number }[];
}

interface Correspondent {
  readonly agent: QuotaAgent;
  /** Of its last report. */
  sequence: number;
}

/** Shares are settled this long after a report at most, so that reports of many agents are settled at once. */
const SETTLE_MS = 50;
/** Where ids of a life begin: 2^20 lives are told apart, and 2^32 leases of each. */
const LIVES = 2 ** 20;
const IDS_PER_LIFE = 2 ** 32;

export class QuotaLeases {
  readonly #options: QuotaLeasesOptions;
  readonly #ledgers = new Map<string, QuotaLedger>();
  readonly #unsettled = new Set<string>();
  /** Agents in touch, by key. */
  readonly #agents = new Map<string, Correspondent>();
  #lastId = 0;
  /** Undefined: somebody else leases. */
  #leadsSinceMs: number | undefined;
  #isFrozen = true;
  #settledMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #thaw: Timer | undefined;

  constructor(options: QuotaLeasesOptions) {
    this.#options = options;
  }

  /** From now on nobody else leases; what was leased before may be in force for a lease's life. */
  lead(): void {
    const { clock, random } = this.#options;
    if (this.#leadsSinceMs !== undefined) return;
    this.#leadsSinceMs = clock.monotonicMs();
    this.#isFrozen = true;
    this.#lastId = Math.floor(random() * LIVES) * IDS_PER_LIFE;
    this.#thaw = clock.after(QUOTA_LEASE_MS, () => this.#settleAll());
  }

  /** What is leased may be used to the end. */
  resign(): void {
    this.#leadsSinceMs = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#thaw?.cancel();
    this.#agents.clear();
    this.#ledgers.clear();
    this.#unsettled.clear();
    this.#tellMetrics(0);
  }

  get isLeading(): boolean {
    return this.#leadsSinceMs !== undefined;
  }

  report(agent: QuotaAgent, message: QuotaReportMessage): void {
    if (!this.isLeading) return;
    const key = agentKey(agent);
    const wasKnown = this.#agents.has(key);
    this.#agents.set(key, { agent, sequence: message.sequence });
    const { terms } = this.#options.mesh();
    for (const usage of message.quotas) {
      const known = terms.get(usage.name);
      if (known === undefined) continue;
      this.#ledgerOf(usage.name, known).report(key, agent.node, usage, this.#options.clock.monotonicMs());
      this.#unsettled.add(usage.name);
    }
    // Whoever is back is no longer set aside for.
    if (!wasKnown) for (const name of this.#ledgers.keys()) this.#unsettled.add(name);
    this.#settleSoon();
  }

  /** The agent's channel is lost. */
  left(agent: QuotaAgent): void {
    const key = agentKey(agent);
    if (!this.#agents.delete(key)) return;
    for (const [name, ledger] of this.#ledgers) {
      ledger.left(key);
      this.#unsettled.add(name);
    }
    this.#settleSoon();
  }

  status(): readonly QuotaStatus[] {
    const { terms } = this.#options.mesh();
    const nowMs = this.#options.clock.monotonicMs();
    return [...this.#ledgers].flatMap(([name, ledger]) => {
      const known = terms.get(name);
      if (known === undefined || ledger.isIdle) return [];
      const agents = [...ledger.holdings(nowMs)].map(({ node, wanted, share }) => ({ node, wanted, leased: share }));
      return [{ name, ...known, agents }];
    });
  }

  #ledgerOf(name: string, terms: QuotaTerms): QuotaLedger {
    let ledger = this.#ledgers.get(name);
    if (ledger === undefined) {
      ledger = new QuotaLedger(terms, () => ++this.#lastId);
      this.#ledgers.set(name, ledger);
    }
    ledger.terms = terms;
    return ledger;
  }

  #settleAll(): void {
    for (const name of this.#ledgers.keys()) this.#unsettled.add(name);
    this.#settleSoon();
  }

  #settleSoon(): void {
    if (this.#timer !== undefined || this.#unsettled.size === 0) return;
    const { clock } = this.#options;
    const waitMs = Math.max(0, this.#settledMs + SETTLE_MS - clock.monotonicMs());
    this.#timer = clock.after(waitMs, () => {
      this.#timer = undefined;
      this.#settle();
    });
  }

  #settle(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#settledMs = nowMs;
    const situation = this.#situation(nowMs);
    const { terms } = this.#options.mesh();
    const letters = new Map<string, QuotaLease[]>();
    for (const name of this.#unsettled) {
      const ledger = this.#ledgers.get(name);
      for (const grant of ledger?.settle(situation, nowMs) ?? []) addLease(letters, name, grant);
      if (ledger?.isIdle === true && !terms.has(name)) this.#ledgers.delete(name);
    }
    this.#unsettled.clear();
    this.#tellMetrics([...letters.values()].reduce((sum, leases) => sum + leases.length, 0));
    for (const [key, leases] of letters) {
      const known = this.#agents.get(key);
      if (known === undefined) continue;
      const { agent, sequence } = known;
      this.#options.send(agent, { kind: "quota-lease", report: sequence, validMs: QUOTA_LEASE_MS, leases });
    }
  }

  #tellMetrics(leases: number): void {
    let inDemand = 0;
    for (const ledger of this.#ledgers.values()) if (!ledger.isIdle) inDemand += 1;
    this.#options.onSettled(leases, inDemand);
  }

  #situation(nowMs: number): QuotaSituation {
    const { nodes } = this.#options.mesh();
    const present = new Set<string>();
    for (const { agent } of this.#agents.values()) present.add(agent.node);
    // Once for all: who leaves later is known to have what it was leased.
    this.#isFrozen &&= nowMs < (this.#leadsSinceMs ?? nowMs) + QUOTA_LEASE_MS && !nodes.isSubsetOf(present);
    return { nodes, present, frozen: this.#isFrozen };
  }
}

function addLease(letters: Map<string, QuotaLease[]>, name: string, { agent, id, share, credit }: QuotaGrant): void {
  const leases = letters.get(agent) ?? [];
  leases.push({ name, id, share, credit });
  letters.set(agent, leases);
}

/** Names of nodes have no slash. */
export function agentKey({ node, instance }: QuotaAgent): string {
  return `${node}/${instance}`;
}
