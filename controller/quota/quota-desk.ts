/**
 * Where this replica's agents bring their reports about quotas: to the leases that it gives out itself, or to the replica
 * that leads.
 *
 *   agents --> desk --self--> QuotaLeases --> desk --> agents
 *               |  \-- url--> QuotaLink --> the leader's desk (as a guest's agents) --+
 *               ^---------------------------------------------------------------------+
 *
 * While nobody leads, or the leader cannot be reached, agents have no answer, and take their fair shares after a while.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import type { QuotaLeaseMessage, QuotaReportMessage } from "../../protocol/channel.ts";
import { QUOTA_REPORT_MS } from "../../protocol/quota.ts";
import type { QuotaLink } from "./quota-link.ts";
import { agentKey, type QuotaAgent, QuotaLeases, type QuotaMesh, type QuotaStatus } from "./quota-leases.ts";

/** Who leases: this replica, another one at an address, or nobody that is known of. */
export type QuotaLeader = "self" | { readonly host: string } | undefined;

/** Another replica, for whose agents this one leases. */
export interface QuotaGuest {
  lease(agent: QuotaAgent, message: QuotaLeaseMessage): void;
}

export interface QuotaDeskOptions {
  readonly mesh: () => QuotaMesh;
  /** To an agent of this replica. */
  readonly send: (agent: QuotaAgent, message: QuotaLeaseMessage) => void;
  readonly createLink: (host: string, onLease: QuotaGuest["lease"], onOpen: () => void) => QuotaLink;
  readonly onSettled: (leases: number, inDemand: number) => void;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

export interface QuotaDeskStatus {
  /** `leading`: the quotas are this replica's. */
  readonly role: "leading" | "relaying" | "waiting";
  readonly leases: readonly QuotaStatus[];
}

/** Agents with demand have reported by themselves by then; all others hold nothing. */
const SILENCE_MS = 2 * QUOTA_REPORT_MS;

export class QuotaDesk {
  readonly #options: QuotaDeskOptions;
  readonly #leases: QuotaLeases;
  /** Agents of this replica that have reported: `sequence` of the last report. */
  readonly #own = new Map<string, { readonly agent: QuotaAgent; sequence: number }>();
  /** Who brought an agent that is not of this replica. */
  readonly #guestOf = new Map<string, QuotaGuest>();
  #link: QuotaLink | undefined;
  #host: string | undefined;
  #silence: Timer | undefined;

  constructor(options: QuotaDeskOptions) {
    this.#options = options;
    this.#leases = new QuotaLeases({ ...options, send: (agent, message) => this.#send(agent, message) });
  }

  get status(): QuotaDeskStatus {
    const role = this.#leases.isLeading ? "leading" : this.#link?.isOpen === true ? "relaying" : "waiting";
    return { role, leases: this.#leases.status() };
  }

  setLeader(leader: QuotaLeader): void {
    const host = typeof leader === "object" ? leader.host : undefined;
    if (leader === "self" && !this.#leases.isLeading) {
      this.#leases.lead();
      this.#speakForSilent();
    }
    if (leader !== "self") this.#resign();
    if (host !== this.#host) this.#relayTo(host);
  }

  /** Of an agent of this replica. */
  report(agent: QuotaAgent, message: QuotaReportMessage): void {
    const key = agentKey(agent);
    const known = this.#own.get(key);
    if (known === undefined) this.#own.set(key, { agent, sequence: message.sequence });
    else known.sequence = message.sequence;
    if (this.#leases.isLeading) this.#leases.report(agent, message);
    else this.#link?.report(agent, message);
  }

  left(agent: QuotaAgent): void {
    if (!this.#own.delete(agentKey(agent))) return;
    this.#leases.left(agent);
    this.#link?.left(agent);
  }

  // For other replicas.

  guestReport(guest: QuotaGuest, agent: QuotaAgent, message: QuotaReportMessage): void {
    if (!this.#leases.isLeading) return;
    this.#guestOf.set(agentKey(agent), guest);
    this.#leases.report(agent, message);
  }

  guestLeft(guest: QuotaGuest, agent: QuotaAgent): void {
    // It may have come back by another way.
    if (this.#guestOf.get(agentKey(agent)) !== guest) return;
    this.#guestOf.delete(agentKey(agent));
    if (!this.#own.has(agentKey(agent))) this.#leases.left(agent);
  }

  close(): void {
    this.#resign();
    this.#relayTo(undefined);
    this.#silence?.cancel();
  }

  #resign(): void {
    this.#leases.resign();
    this.#guestOf.clear();
  }

  #relayTo(host: string | undefined): void {
    const { createLink, send } = this.#options;
    this.#host = host;
    this.#link?.close();
    this.#link = host === undefined ? undefined : createLink(host, send, () => this.#speakForSilent());
    this.#link?.start();
  }

  #send(agent: QuotaAgent, message: QuotaLeaseMessage): void {
    if (this.#own.has(agentKey(agent))) this.#options.send(agent, message);
    else this.#guestOf.get(agentKey(agent))?.lease(agent, message);
  }

  /** Agents without demand say nothing, and whoever begins to lease must know that they are there. */
  #speakForSilent(): void {
    this.#silence?.cancel();
    const before = new Map([...this.#own].map(([key, { sequence }]) => [key, sequence]));
    this.#silence = this.#options.clock.after(SILENCE_MS, () => {
      for (const [key, { agent, sequence }] of this.#own) {
        if (before.get(key) === sequence) this.report(agent, { kind: "quota-report", sequence, quotas: [] });
      }
    });
  }
}
