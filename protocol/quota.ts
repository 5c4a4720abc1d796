/**
 * What agents and the controller must agree on about quotas beyond their messages (channel.ts). An agent admits
 *
 *   base             its part of the reserve, always
 *   + lease          what the controller has leased to it by demand, until it ends
 *   + fair share     in place of a lease, when no controller has answered for as long as any lease lasts
 *
 * so that at any moment all agents together are entitled to the quota and not more (docs/decisions/0027-quota.md). Shares
 * are in the quota's own unit: requests per `perMs`, fractions included.
 */

/** What a quota is, whoever counts it. */
export interface QuotaTerms {
  readonly requests: number;
  readonly perMs: number;
}

/** Agents with demand report this often: 1,000 of them are 5,000 messages a second for the one who leases. */
export const QUOTA_REPORT_MS = 200;

/**
 * A lease lasts this long from the report that it answers: ten reports, so that a controller that is busy for a moment
 * costs nobody his lease. It is also how long a change of the controller keeps shares as they are.
 */
export const QUOTA_LEASE_MS = 2_000;

/** Without a request for this long an agent gives its lease back and says no more. */
export const QUOTA_IDLE_MS = 1_000;

/** How long demand is believed in, once there is less: demand that moves is followed, a pause of a moment is not. */
export const QUOTA_DEMAND_SETTLE_MS = 150;

/** Of the quota, never leased: divided evenly among the nodes, so that whoever begins need not wait for the controller. */
const RESERVE = 0.01;

/** What may come at once, of a share or of the fair share if that is more: the bound on how far a total is exceeded. */
const BURST = 0.05;

/** What can be leased of a quota. */
export function leasable(requests: number): number {
  return requests * (1 - RESERVE);
}

/** A node's part of the reserve. */
export function baseShare(requests: number, nodes: number): number {
  return (requests * RESERVE) / Math.max(1, nodes);
}

/** A node's even part of all that can be leased: what it takes when there is nobody to ask. */
export function fairShare(requests: number, nodes: number): number {
  return leasable(requests) / Math.max(1, nodes);
}

/** How many requests may come at once. A request is indivisible, so at least one. */
export function burstOf(share: number): number {
  return Math.max(1, share * BURST);
}

/** What one of so many workers of a node may admit before it has asked anybody. */
export function newcomerBurst(requests: number, nodes: number, workers: number): number {
  return burstOf(fairShare(requests, nodes) / workers);
}
