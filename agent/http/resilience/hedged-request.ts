/**
 * A request that is tried a second time, at another endpoint, while its first try is late; the first answer wins.
 *
 *   first try --late, body complete, budget left--> second beside it --late--> ... as many as the policy says
 *       \---------------- head of an answer: all others are given up ----------------/
 *
 * An answer that says the server has failed does not win as long as another may come; nor does a try that is given up.
 */
import type { Timer } from "../../../core/clock.ts";
import type { Hedging } from "../../../protocol/route-table.ts";
import type { Candidate } from "../../../routing/decide-connection.ts";
import type { Fields } from "../fields.ts";
import { ReplayBuffer } from "../replay-buffer.ts";
import type {
  CarrierOptions,
  CarrierOwner,
  CarryRequest,
  RequestCarrier,
  TryReport,
  UpgradedConnection,
} from "../request-carrier.ts";
import type { FailureReason } from "../request-failure.ts";
import type { ResponseHead } from "../response-head.ts";
import { isIdempotent } from "../retry-rules.ts";

const FIRST_SERVER_ERROR = 500;

/** `below`: what carries one try. Undefined: such a request is not tried twice. */
export function hedgedRequest(options: CarrierOptions, below: CarryRequest): RequestCarrier | undefined {
  const hedging = options.plan.rule?.hedging;
  const { method, upgrade } = options.head;
  if (hedging === undefined || !isIdempotent(method) || upgrade !== undefined) return undefined;
  // A session is at one endpoint.
  if (options.plan.endpoint !== undefined) return undefined;
  return new HedgedRequest(options, hedging, below);
}

class HedgedRequest implements RequestCarrier {
  readonly options: CarrierOptions;
  /** Where tries went: the next one goes elsewhere. */
  readonly tried = new Set<string>();
  readonly #hedging: Hedging;
  readonly #below: CarryRequest;
  readonly #replay = new ReplayBuffer();
  /** Those that may still bring an answer. */
  readonly #tries: HedgeTry[] = [];
  #winner: HedgeTry | undefined;
  #failure: { readonly reason: FailureReason; readonly detail: string } | undefined;
  #hedges = 0;
  /** Times that it was late, and no further try was earned. */
  #unearned = 0;
  #isLate = false;
  #startedMs = 0;
  #timer: Timer | undefined;

  constructor(options: CarrierOptions, hedging: Hedging, below: CarryRequest) {
    this.options = options;
    this.#hedging = hedging;
    this.#below = below;
    this.#add();
  }

  get heldBytes(): number {
    return this.#tries.reduce((sum, { carrier }) => sum + carrier.heldBytes, 0);
  }

  start(): void {
    const { plane, plan } = this.options;
    this.#startedMs = plane.clock.monotonicMs();
    plane.hedges.requested(this.#hedging);
    // The tries below count it when there are retries: once is enough.
    if (plan.rule?.retry === undefined) plane.budgets.requested(plan.target.service, this.#hedging.budget);
    this.#wait();
    this.#tries[0]?.carrier.start();
  }

  requestBody(content: Buffer): void {
    this.#replay.keep(content);
    if (this.#replay.isFull) this.#replay.giveUp();
    this.#tries[0]?.carrier.requestBody(content);
  }

  requestEnd(trailers: Fields | undefined): void {
    this.#replay.end(trailers);
    this.#tries[0]?.carrier.requestEnd(trailers);
    if (this.#isLate) this.#late();
  }

  pauseAnswer(): void {
    this.#winner?.carrier.pauseAnswer();
  }

  resumeAnswer(): void {
    this.#winner?.carrier.resumeAnswer();
  }

  drop(): void {
    this.#timer?.cancel();
    for (const each of this.#tries.splice(0)) each.carrier.drop();
  }

  handOver(): UpgradedConnection | undefined {
    return this.#winner?.carrier.handOver();
  }

  // From the tries.

  /** Whether its answer is the one. */
  answered(by: HedgeTry, { status }: ResponseHead): boolean {
    if (status >= FIRST_SERVER_ERROR && this.#tries.length > 1) {
      this.#remove(by);
      by.carrier.drop();
      return false;
    }
    this.#timer?.cancel();
    this.#winner = by;
    // In the order of their beginning: who began before the winner takes longer for sure, who began later perhaps not.
    const winner = this.#tries.indexOf(by);
    for (const [index, other] of this.#tries.splice(0).entries()) if (other !== by) other.carrier.drop(index < winner);
    this.#tries.push(by);
    const { plane, report } = this.options;
    plane.hedges.observe(this.#hedging, plane.clock.monotonicMs() - this.#startedMs);
    if (this.#hedges > 0) {
      if (by.isHedge) plane.metrics.hedge("won");
      report.note = `tried ${this.#hedges + 1} times at once, by policy ${this.#hedging.policy}`;
    }
    if (by.endpoint !== undefined) report.answeredBy(by.endpoint);
    this.#replay.giveUp();
    return true;
  }

  givenUp(by: HedgeTry, reason: FailureReason, detail: string): void {
    this.#remove(by);
    // A further try that found no other endpoint says nothing about the request.
    if (this.#failure === undefined || !by.isHedge) this.#failure = { reason, detail };
    if (this.#tries.length > 0) return;
    this.#timer?.cancel();
    this.options.owner.onGivenUp(this.#failure.reason, this.#failure.detail);
  }

  // When it is late.

  #wait(): void {
    const { plane } = this.options;
    const delayMs = plane.hedges.delayMs(this.#hedging);
    // Twice as long each time that it was in vain: many may wait for a server that hangs.
    if (delayMs !== undefined) this.#timer = plane.clock.after(delayMs * 2 ** this.#unearned, () => this.#late());
  }

  #late(): void {
    this.#isLate = !this.#replay.isEnded;
    if (this.#isLate || !this.#replay.isComplete) return;
    const { plane } = this.options;
    if (!plane.hedges.mayHedge(this.#hedging)) {
      if (this.#unearned === 0) plane.metrics.limitHit("hedge-share");
      this.#wait();
      this.#unearned += 1;
      return;
    }
    if (!this.#takeFromBudget()) return;
    plane.hedges.hedged(this.#hedging);
    this.#unearned = 0;
    this.#hedges += 1;
    if (this.#hedges < this.#hedging.attempts) this.#wait();
    plane.metrics.hedge("sent");
    const hedge = this.#add();
    hedge.carrier.start();
    for (const content of this.#replay.chunks) hedge.carrier.requestBody(content);
    hedge.carrier.requestEnd(this.#replay.trailers);
  }

  /** Takes it out of the budget that retries come from. */
  #takeFromBudget(): boolean {
    const { plane, plan } = this.options;
    if (plane.budgets.retry(plan.target.service, this.#hedging.budget)) return true;
    plane.metrics.limitHit("retry-budget");
    return false;
  }

  #add(): HedgeTry {
    const added = new HedgeTry(this, this.#tries.length > 0 || this.#hedges > 0, this.#below);
    this.#tries.push(added);
    return added;
  }

  #remove(one: HedgeTry): void {
    const index = this.#tries.indexOf(one);
    if (index !== -1) this.#tries.splice(index, 1);
  }
}

/** One of the tries that run beside each other. */
class HedgeTry implements CarrierOwner, TryReport {
  readonly carrier: RequestCarrier;
  readonly isHedge: boolean;
  /** That was tried last. */
  endpoint: Candidate | undefined;
  tries = 0;
  readonly #request: HedgedRequest;

  constructor(request: HedgedRequest, isHedge: boolean, below: CarryRequest) {
    this.#request = request;
    this.isHedge = isHedge;
    const { options, tried } = request;
    this.carrier = below({
      ...options,
      owner: this,
      report: this,
      ...(isHedge ? { avoid: tried, onlyOnce: true } : {}),
    });
  }

  // TryReport.

  get failure(): string | undefined {
    return this.#request.options.report.failure;
  }

  set failure(text: string | undefined) {
    this.#request.options.report.failure = text;
  }

  set note(text: string) {
    this.#request.options.report.note = text;
  }

  tried(candidate: Candidate): void {
    this.tries += 1;
    this.endpoint = candidate;
    this.#request.tried.add(candidate.key);
    this.#request.options.report.tried(candidate);
  }

  answeredBy(candidate: Candidate): void {
    this.endpoint = candidate;
  }

  // CarrierOwner.

  onInterim(head: ResponseHead): void {
    if (!this.isHedge) this.#request.options.owner.onInterim(head);
  }

  onAnswer(head: ResponseHead): void {
    if (this.#request.answered(this, head)) this.#request.options.owner.onAnswer(head);
  }

  onBody(content: Buffer): void {
    this.#request.options.owner.onBody(content);
  }

  onAnswerEnd(trailers: Fields | undefined): void {
    this.#request.options.owner.onAnswerEnd(trailers);
  }

  onGivenUp(reason: FailureReason, detail: string): void {
    this.#request.givenUp(this, reason, detail);
  }

  onCutShort(detail: string, resetCode: number | undefined): void {
    this.#request.options.owner.onCutShort(detail, resetCode);
  }

  pauseRequest(): void {
    if (!this.isHedge) this.#request.options.owner.pauseRequest();
  }

  resumeRequest(): void {
    if (!this.isHedge) this.#request.options.owner.resumeRequest();
  }
}
