/**
 * Whether one endpoint may take connections and requests, judged by what became of those that it took.
 *
 *   serving --it stands out--> ejected --its time is over, a connection picks it--> probing
 *      ^                          ^                                                  |  |
 *      |                          \-------------the probe fails (time doubles)-------/  |
 *      |                                                                                |
 *      \--after failed connects: any connect succeeds; after requests: the probe is answered well
 *
 * Failed connects are judged here, requests in `outlier-detection.ts`; the time is one for all causes. Ejection times double up to the maximum; an endpoint that then served for a maximum's time starts from the base
 * again. One that never took a connection yet starts far below the base: a new pod may be in our table a moment before its
 * own node's agent knows it. How many endpoints may be out at once is the destination's business (`destination-balancer.ts`).
 */
import type { EjectionSettings } from "../../protocol/table.ts";
import { NEWCOMER_EJECTION_MS, PROBE_PATIENCE_MS } from "./limits.ts";

export type EjectionState = "serving" | "ejected" | "probing";
export type EjectionCause = "connect-failures" | "consecutive-errors" | "success-share" | "latency";

export class Ejection {
  #state: EjectionState = "serving";
  #failures = 0;
  #ejections = 0;
  /** A connect has succeeded at some time. */
  #proven = false;
  /** Ejected: end of the ejection. Probing: end of the patience with the probe. */
  #untilMs = 0;
  #servingSinceMs = Number.NEGATIVE_INFINITY;
  #cause: EjectionCause = "connect-failures";
  #passMs = Number.POSITIVE_INFINITY;

  get state(): EjectionState {
    return this.#state;
  }

  /** Failures in a row since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** When an ejected or probing endpoint may be probed (again). */
  get untilMs(): number {
    return this.#untilMs;
  }

  /** Of the last ejection. */
  get cause(): EjectionCause {
    return this.#cause;
  }

  /** A probe that is answered later than this is no proof. */
  get passMs(): number {
    return this.#passMs;
  }

  /** May be picked: serves, or is due for a probe. */
  isAvailable(nowMs: number): boolean {
    return this.#state === "serving" || nowMs >= this.#untilMs;
  }

  /** A connection picked the endpoint while its ejection was over. */
  probeStarted(nowMs: number): void {
    this.#state = "probing";
    this.#untilMs = nowMs + PROBE_PATIENCE_MS;
  }

  /** The probing connection left without a verdict: the next one may probe at once. */
  probeAbandoned(nowMs: number): void {
    if (this.#state !== "probing") return;
    this.#state = "ejected";
    this.#untilMs = nowMs;
  }

  /** A connect has succeeded. True when this brought the endpoint back. */
  succeeded(nowMs: number): boolean {
    this.#failures = 0;
    if (!this.#proven) this.#ejections = 0;
    this.#proven = true;
    if (this.#state === "serving" || this.#cause !== "connect-failures") return false;
    this.release(nowMs);
    return true;
  }

  /** Back to serving without proof, because too many are out. */
  release(nowMs: number): void {
    this.#state = "serving";
    this.#servingSinceMs = nowMs;
  }

  /**
   * True when the endpoint has now failed enough to be ejected; the caller decides whether it may be. Failures of
   * connections that were under way when it was ejected say nothing new.
   */
  failed(settings: EjectionSettings): boolean {
    if (this.#state !== "serving") return false;
    this.#failures += 1;
    return settings.consecutiveFailures > 0 && this.#failures >= settings.consecutiveFailures;
  }

  /** Takes the endpoint out and gives for how long, in milliseconds. */
  eject(
    settings: EjectionSettings,
    nowMs: number,
    cause: EjectionCause = "connect-failures",
    passMs = Number.POSITIVE_INFINITY,
  ): number {
    this.#cause = cause;
    this.#passMs = passMs;
    if (this.#state === "serving" && nowMs - this.#servingSinceMs > settings.maxEjectionMs) this.#ejections = 0;
    const baseMs = this.#proven ? settings.baseEjectionMs : Math.min(settings.baseEjectionMs, NEWCOMER_EJECTION_MS);
    // 2^30 base periods are beyond any maximum; it keeps the power finite.
    const periodMs = Math.min(settings.maxEjectionMs, baseMs * 2 ** Math.min(this.#ejections, 30));
    this.#ejections += 1;
    this.#state = "ejected";
    this.#untilMs = nowMs + periodMs;
    return periodMs;
  }
}
