/**
 * Equal GETs that are under way at the same time, sent once. The first one leads, those that come before the head of its
 * answer follow; from then on all of them are equal:
 *
 *   leader --head, for anyone--> every member gets its own copy of the answer as it comes
 *      | \---head, not for all--> the leader gets it; others go by themselves
 *       \---no answer----------> the leader is told; others go by themselves
 *        \--not sent for want of a place--> all are told: there would be none for each of them
 *
 * The answer comes as fast as its fastest reader takes it. What a slower one has not taken is kept for it up to a bound, and
 * then it is left behind: a broken answer, as from a server that dies. When the leader leaves, the others still get theirs.
 */
import type { Collapsing } from "../../../protocol/route-table.ts";
import type { Fields } from "../fields.ts";
import { httpLimits } from "../limits.ts";
import type { PlaceReason } from "../protect/refusals.ts";
import type { CarrierOptions, CarrierOwner, CarryRequest, RequestCarrier } from "../request-carrier.ts";
import type { FailureReason } from "../request-failure.ts";
import type { RequestHead } from "../request-head.ts";
import type { ResponseHead } from "../response-head.ts";
import { CollapsedRequest } from "./collapsed-request.ts";
import { isShared, mayShare, nominatedFields, saysTheSame } from "./shared-answers.ts";

export class CollapsedRequests {
  readonly #groups = new Map<string, CollapsedGroup>();

  /** Groups whose answer has not begun. */
  get size(): number {
    return this.#groups.size;
  }

  /** `below`: what carries one request. Undefined: such a request is never equal to another one. */
  carry(options: CarrierOptions, below: CarryRequest): RequestCarrier | undefined {
    const collapsing = options.plan.rule?.collapsing;
    if (collapsing === undefined || !mayCollapse(options.head, collapsing)) return undefined;
    return new CollapsedRequest(options, below, (member) => this.#join(member, keyOf(options, collapsing), collapsing));
  }

  /** Undefined: too many follow already. */
  #join(member: CollapsedRequest, key: string, { maxWaiting }: Collapsing): CollapsedGroup | undefined {
    const known = this.#groups.get(key);
    if (known !== undefined) return known.follow(member, maxWaiting) ? known : undefined;
    const group = new CollapsedGroup(member, () => {
      if (this.#groups.get(key) === group) this.#groups.delete(key);
    });
    this.#groups.set(key, group);
    return group;
  }
}

export class CollapsedGroup implements CarrierOwner {
  readonly #leader: CollapsedRequest;
  /** In the order of their coming. */
  readonly #members = new Set<CollapsedRequest>();
  readonly #onClosed: () => void;
  #carrier: RequestCarrier | undefined;
  #isPaused = false;

  constructor(leader: CollapsedRequest, onClosed: () => void) {
    this.#leader = leader;
    this.#onClosed = onClosed;
    this.#members.add(leader);
  }

  /** Once, by the leader. */
  start(): void {
    const { options, below } = this.#leader;
    this.#carrier = below({ ...options, owner: this });
    this.#carrier.start();
    this.#carrier.requestEnd(undefined);
  }

  follow(member: CollapsedRequest, maxWaiting: number): boolean {
    if (this.#members.size > maxWaiting) return false;
    this.#members.add(member);
    return true;
  }

  isLedBy(member: CollapsedRequest): boolean {
    return member === this.#leader;
  }

  heldBytesOf(member: CollapsedRequest): number {
    return this.isLedBy(member) ? (this.#carrier?.heldBytes ?? 0) : 0;
  }

  leave(member: CollapsedRequest): void {
    this.#members.delete(member);
    if (this.#members.size > 0) {
      this.paceChanged();
      return;
    }
    this.#onClosed();
    this.#carrier?.drop();
  }

  /** A member has begun or ceased to be behind. */
  paceChanged(): void {
    const isPaused = this.#members.size > 0 && [...this.#members].every((member) => member.isBehind);
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#carrier?.pauseAnswer();
    else this.#carrier?.resumeAnswer();
  }

  // CarrierOwner.

  onInterim(head: ResponseHead): void {
    if (this.#members.has(this.#leader)) this.#leader.options.owner.onInterim(head);
  }

  onAnswer(head: ResponseHead): void {
    this.#onClosed();
    const alone = [...this.#members].filter((member) => member !== this.#leader && !this.#isFor(member, head));
    for (const member of alone) this.#members.delete(member);
    // What a route changes in its answer, others must not see.
    for (const member of this.#members) member.answer({ ...head, fields: head.fields.copy() });
    for (const member of alone) member.goAlone();
    if (this.#members.size === 0) this.#carrier?.drop();
  }

  onBody(content: Buffer): void {
    for (const member of this.#members) member.body(content);
  }

  onAnswerEnd(trailers: Fields | undefined): void {
    for (const member of this.#members) member.end(trailers);
  }

  onGivenUp(reason: FailureReason, detail: string): void {
    this.#onClosed();
    const members = [...this.#members];
    this.#members.clear();
    for (const member of members) {
      if (member === this.#leader) member.options.owner.onGivenUp(reason, detail);
      else if (isPlaceReason(reason)) member.refused(reason, detail);
      else member.goAlone();
    }
  }

  onCutShort(detail: string): void {
    for (const member of this.#members) member.cutShort(detail);
  }

  /** There is no body. */
  pauseRequest(): void {}

  resumeRequest(): void {}

  #isFor(member: CollapsedRequest, { fields, length = 0 }: ResponseHead): boolean {
    if (length > httpLimits.collapsedBytes || !isShared(fields)) return false;
    return saysTheSame(nominatedFields(fields, this.#leader.options.head.fields), member.options.head.fields);
  }
}

function isPlaceReason(reason: FailureReason): reason is PlaceReason {
  return reason === "concurrency-limit" || reason === "queue-timeout" || reason === "circuit-open";
}

function mayCollapse(head: RequestHead, { headers }: Collapsing): boolean {
  return !head.hasBody && head.upgrade === undefined && mayShare(head, headers);
}

/** Requests of other identities are others: the server may tell callers apart. Separated by what no field has in it. */
function keyOf({ plan, head, facts }: CarrierOptions, { scope, headers }: Collapsing): string {
  const { rule, target, endpoint, authority, path } = plan;
  const identity = facts.table.identityOf(facts.source.workload);
  const values = [...headers, "accept-encoding"].map((name) => head.fields.get(name) ?? "\0");
  const backend = `${target.service}:${target.port} ${target.subset?.name ?? ""}`;
  return [scope, rule?.route, rule?.index, backend, endpoint?.key, identity, authority, path, ...values].join("\n");
}
