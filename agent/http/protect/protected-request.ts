/**
 * One request on its way past the policies that are about it, outside in:
 *
 *   sizes          of head and announced body
 *   rate limits    all of them, or none is charged
 *   quotas         of the whole mesh, likewise
 *   faults         delay, then abort: before what follows, so that nobody else notices
 *   breaker        open: at once, rather than from the line
 *   concurrency    a place, or a place in the line
 *   breaker        when its turn comes: it may be open by then, and of probes there are few
 *
 *   begin --refusal
 *      \--delayed--> \--in the line--> \--under way--> over
 */
import type { Clock, Timer } from "../../../core/clock.ts";
import type { Admission, AdmissionAsker, Pace, RequestOutcome } from "../admission.ts";
import type { CircuitTicket } from "./circuit-breaker.ts";
import type { GatePlace, GateVisitor } from "./concurrency-gate.ts";
import type { DrawnFaults } from "./draw-faults.ts";
import { judgeOutcome } from "./judge-outcome.ts";
import { circuitOpen, faultAbort, noPlace, type ProtectionRefusal, waitedTooLong } from "./refusals.ts";
import type { RuleGuards } from "./rule-guards.ts";

export interface ProtectedRequestOptions {
  readonly clock: Clock;
  readonly guards: RuleGuards;
  readonly faults: DrawnFaults | undefined;
  readonly asker: AdmissionAsker;
  readonly onFault: (policy: string, fault: "delay" | "abort" | "bandwidth") => void;
  /** Before the asker is told. */
  readonly onRefused: (refusal: ProtectionRefusal) => void;
}

export class ProtectedRequest implements Admission, GateVisitor {
  readonly #options: ProtectedRequestOptions;
  #timer: Timer | undefined;
  #place: GatePlace | undefined;
  #ticket: CircuitTicket | undefined;

  constructor(options: ProtectedRequestOptions) {
    this.#options = options;
  }

  get pace(): Pace | undefined {
    return this.#options.faults?.bandwidth;
  }

  get mustWait(): boolean {
    return this.#timer !== undefined || this.#place?.isInside === false;
  }

  /** Undefined: it may go, unless it must wait. */
  begin(): ProtectionRefusal | undefined {
    const { clock, faults, onFault } = this.#options;
    const delay = faults?.delay;
    if (delay === undefined) return this.#afterDelay();
    onFault(delay.policy, "delay");
    // It ends by itself, also for those that it has caught.
    const delayMs = Math.min(delay.delayMs, delay.untilMs - clock.nowMs());
    this.#timer = clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#tell(this.#afterDelay());
    });
    return undefined;
  }

  /** Of a long answer, the breaker need not wait for the end. */
  answered(outcome: RequestOutcome): void {
    this.#judge(outcome);
  }

  over(outcome: RequestOutcome): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#judge(outcome);
    this.#ticket?.over();
    // Last: whoever gets the place should find the breaker up to date.
    if (outcome.reason !== "upgraded") this.#place?.leave();
  }

  closed(): void {
    this.#place?.leave();
  }

  // GateVisitor.

  admitted(): void {
    this.#tell(this.#enterCircuit());
  }

  timedOut(): void {
    const { concurrency } = this.#options.guards;
    if (concurrency !== undefined) this.#tell(waitedTooLong(concurrency.part));
  }

  #tell(refusal: ProtectionRefusal | undefined): void {
    const { asker, onRefused } = this.#options;
    if (refusal !== undefined) {
      onRefused(refusal);
      asker.refused(refusal);
    } else if (!this.mustWait) asker.admitted();
  }

  #afterDelay(): ProtectionRefusal | undefined {
    const { faults, onFault, guards } = this.#options;
    if (faults?.bandwidth !== undefined) onFault(faults.bandwidth.policy, "bandwidth");
    if (faults?.abort !== undefined) {
      onFault(faults.abort.policy, "abort");
      return faultAbort(faults.abort, faults.abort.abort);
    }
    const { breaker, concurrency } = guards;
    const closedForMs = breaker?.state.closedForMs ?? 0;
    if (breaker !== undefined && closedForMs > 0) return circuitOpen(breaker.part, closedForMs);
    if (concurrency === undefined) return this.#enterCircuit();
    this.#place = concurrency.state.enter(this);
    if (this.#place === undefined) return noPlace(concurrency.part);
    return this.#place.isInside ? this.#enterCircuit() : undefined;
  }

  #enterCircuit(): ProtectionRefusal | undefined {
    const { breaker } = this.#options.guards;
    if (breaker === undefined) return undefined;
    this.#ticket = breaker.state.enter();
    if (this.#ticket !== undefined) return undefined;
    this.#place?.leave();
    return circuitOpen(breaker.part, breaker.state.closedForMs);
  }

  #judge(outcome: RequestOutcome): void {
    if (this.#ticket === undefined) return;
    const verdict = judgeOutcome(outcome);
    if (verdict === "bad") this.#ticket.bad();
    else if (verdict === "good") this.#ticket.good();
  }
}
