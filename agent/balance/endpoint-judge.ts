/**
 * What the outcomes of connections and requests mean for the endpoints of one destination: who is ejected and for what,
 * who returns, who pauses. How many may be out at once is a bound for all causes together.
 *
 *   failed connects in a row, outliers among requests  ->  ejected, while the share of those that are out allows it
 *   a probe that proves the contrary  ----------------->  returned, with a share that grows if the policy says so
 *   it asks to be left alone (Retry-After)  ----------->  pauses, then the same
 */
import type { Clock } from "../../core/clock.ts";
import type { EjectionSettings } from "../../protocol/table.ts";
import type { ChoiceSettings } from "../../routing/choice-settings.ts";
import type { Candidate } from "../../routing/decide-connection.ts";
import type { AnswerReport, AttemptJudge } from "./attempt.ts";
import type { EjectionCause } from "./ejection.ts";
import type { Endpoint } from "./endpoint.ts";
import { MAX_PAUSE_MS, MAX_PAUSE_RETURN_MS, RETURN_FIRST_SHARE } from "./limits.ts";
import { type Outlier, OutlierDetection } from "./outlier-detection.ts";

/** For the log and the metrics. */
export interface EndpointEvent {
  readonly destination: string;
  readonly candidate: Candidate;
}

export interface BalancerEvents {
  /** The endpoint takes nothing for `ejectionMs`, then one probe. `detail` is for a person. */
  ejected(
    event: EndpointEvent & { readonly cause: EjectionCause; readonly detail: string; readonly ejectionMs: number },
  ): void;
  /** An ejected endpoint has proved itself. */
  returned(event: EndpointEvent): void;
  /** It has asked to be left alone, and takes nothing while others can. */
  paused(event: EndpointEvent & { readonly pauseMs: number }): void;
  limitHit(limit: string): void;
}

export interface EndpointJudgeOptions {
  readonly destination: string;
  readonly clock: Clock;
  readonly events: BalancerEvents | undefined;
  /** Who may take the next connection has changed. */
  readonly onChange: () => void;
}

export class EndpointJudge implements AttemptJudge {
  readonly #options: EndpointJudgeOptions;
  #endpoints: ReadonlyMap<string, Endpoint> = new Map();
  #settings: EjectionSettings | undefined;
  #choice: ChoiceSettings | undefined;
  #detection: OutlierDetection | undefined;

  constructor(options: EndpointJudgeOptions) {
    this.#options = options;
  }

  /** From now on these are concerned: by `endpointKey`. */
  adopt(
    endpoints: ReadonlyMap<string, Endpoint>,
    settings: EjectionSettings,
    choice: ChoiceSettings | undefined,
    nowMs: number,
  ): void {
    this.#endpoints = endpoints;
    this.#settings = settings;
    this.#choice = choice;
    const outlier = choice?.outlier;
    if (outlier === undefined) this.#detection = undefined;
    else if (this.#detection === undefined) this.#detection = new OutlierDetection(outlier);
    else this.#detection.settings = outlier;
    this.#releaseBeyondCap(nowMs);
  }

  // AttemptJudge.

  attemptConnected(endpoint: Endpoint, _probe: boolean, latencyMs: number): void {
    const nowMs = this.#nowMs();
    endpoint.latency.observe(latencyMs, nowMs);
    if (endpoint.ejection.succeeded(nowMs)) this.#returned(endpoint, nowMs);
  }

  attemptFailed(endpoint: Endpoint, probe: boolean): void {
    const { ejection } = endpoint;
    if (this.#settings === undefined || !this.#concerns(endpoint)) return;
    const isProof = probe && ejection.state === "probing";
    if (!isProof && !(ejection.failed(this.#settings) && this.#mayEjectOneMore())) return;
    this.#eject({ endpoint, cause: "connect-failures", detail: `${ejection.failures} connects failed in a row` });
  }

  /** Else one whose tries are all outrun would look as fast as those of its answers that were not. */
  attemptOutrun(endpoint: Endpoint, waitedMs: number): void {
    endpoint.latency.observeAtLeast(waitedMs, this.#nowMs());
    if (this.#detection === undefined) return;
    this.#judgeIntervals();
    this.#detection.took(endpoint, waitedMs);
  }

  attemptAbandoned(endpoint: Endpoint, probe: boolean): void {
    if (!probe) return;
    endpoint.ejection.probeAbandoned(this.#nowMs());
    this.#options.onChange();
  }

  attemptAnswered(endpoint: Endpoint, probe: boolean, { latencyMs, failure, retryAfterMs }: AnswerReport): void {
    if (failure === undefined) this.#answeredWell(endpoint, probe, latencyMs);
    else this.#erred(endpoint, probe, failure);
    if (retryAfterMs !== undefined) this.#pause(endpoint, retryAfterMs);
  }

  attemptCompleted(endpoint: Endpoint): void {
    if (this.#detection === undefined) return;
    this.#judgeIntervals();
    this.#detection.completed(endpoint);
  }

  attemptBroken(endpoint: Endpoint, probe: boolean, detail: string): void {
    this.#erred(endpoint, probe, detail);
  }

  #answeredWell(endpoint: Endpoint, probe: boolean, latencyMs: number): void {
    const { ejection } = endpoint;
    if (probe && ejection.state === "probing") {
      if (latencyMs <= ejection.passMs) this.#proved(endpoint);
      else this.#failedProbe(endpoint, `a probe took ${latencyMs.toFixed(1)} ms`);
    }
    if (this.#detection === undefined) return;
    this.#judgeIntervals();
    this.#detection.took(endpoint, latencyMs);
  }

  #erred(endpoint: Endpoint, probe: boolean, detail: string): void {
    if (!this.#concerns(endpoint)) return;
    if (probe && endpoint.ejection.state === "probing") {
      if (endpoint.ejection.cause === "connect-failures") this.attemptAbandoned(endpoint, probe);
      else this.#failedProbe(endpoint, `a probe failed: ${detail}`);
      return;
    }
    if (this.#detection === undefined) return;
    this.#judgeIntervals();
    const outlier = this.#detection.erred(endpoint);
    if (outlier !== undefined && this.#mayEjectOneMore()) this.#eject(outlier);
  }

  #judgeIntervals(): void {
    for (const outlier of this.#detection?.judge(this.#endpoints, this.#nowMs()) ?? []) {
      if (this.#mayEjectOneMore()) this.#eject(outlier);
    }
  }

  /** The cause stays what it was, and so does what would be proof. */
  #failedProbe(endpoint: Endpoint, detail: string): void {
    const { cause, passMs } = endpoint.ejection;
    this.#eject({ endpoint, cause, detail, passMs });
  }

  #proved(endpoint: Endpoint): void {
    const nowMs = this.#nowMs();
    endpoint.ejection.release(nowMs);
    this.#returned(endpoint, nowMs);
  }

  #eject({ endpoint, cause, detail, passMs }: Outlier): void {
    if (this.#settings === undefined) return;
    const ejectionMs = endpoint.ejection.eject(this.#settings, this.#nowMs(), cause, passMs);
    endpoint.record?.clear();
    this.#options.onChange();
    const { destination, events } = this.#options;
    events?.ejected({ destination, candidate: endpoint.candidate, cause, detail, ejectionMs });
  }

  #returned(endpoint: Endpoint, nowMs: number): void {
    const { destination, events, onChange } = this.#options;
    this.#growAgain(endpoint, nowMs);
    onChange();
    events?.returned({ destination, candidate: endpoint.candidate });
  }

  #growAgain({ share }: Endpoint, nowMs: number): void {
    const returnMs = this.#choice?.outlier?.returnMs;
    if (returnMs !== undefined) share.begin(nowMs, returnMs, RETURN_FIRST_SHARE);
  }

  /** A pause that is asked for again, or by another answer, ends with the later one. */
  #pause(endpoint: Endpoint, wishedMs: number): void {
    if (this.#choice?.honorsRetryAfter === false || !this.#concerns(endpoint)) return;
    const { destination, events, onChange } = this.#options;
    if (wishedMs > MAX_PAUSE_MS) events?.limitHit("endpoint-pause");
    const nowMs = this.#nowMs();
    const pauseMs = Math.min(wishedMs, MAX_PAUSE_MS);
    const untilMs = nowMs + pauseMs;
    if (untilMs <= endpoint.pausedUntilMs) return;
    const isNew = endpoint.pausedUntilMs <= nowMs;
    endpoint.pausedUntilMs = untilMs;
    const returnMs = this.#choice?.outlier?.returnMs ?? Math.min(pauseMs, MAX_PAUSE_RETURN_MS);
    endpoint.share.begin(untilMs, returnMs, RETURN_FIRST_SHARE);
    onChange();
    if (isNew) events?.paused({ destination, candidate: endpoint.candidate, pauseMs });
  }

  #mayEjectOneMore(): boolean {
    if (this.#out().length < this.#cap()) return true;
    // The only endpoint is never ejected; that is no bound worth an alert.
    if (this.#endpoints.size > 1) this.#options.events?.limitHit("ejected-endpoints");
    return false;
  }

  /** Endpoints left, or the settings changed: those whose ejection ends first come back. */
  #releaseBeyondCap(nowMs: number): void {
    const out = this.#out();
    const excess = out.length - this.#cap();
    if (excess <= 0) return;
    out.sort((a, b) => a.ejection.untilMs - b.ejection.untilMs);
    for (const endpoint of out.slice(0, excess)) {
      endpoint.ejection.release(nowMs);
      this.#growAgain(endpoint, nowMs);
    }
  }

  #out(): Endpoint[] {
    return [...this.#endpoints.values()].filter((endpoint) => endpoint.ejection.state !== "serving");
  }

  /** How many may be out at once: the settings' share, and never all of them. */
  #cap(): number {
    if (this.#settings === undefined) return 0;
    const { consecutiveFailures, maxEjectionPercent } = this.#settings;
    if (consecutiveFailures === 0 && this.#detection === undefined) return 0;
    const { size } = this.#endpoints;
    return Math.max(0, Math.min(size - 1, Math.floor((size * maxEjectionPercent) / 100)));
  }

  /** False: it left the table meanwhile, and what it does concerns nobody. */
  #concerns(endpoint: Endpoint): boolean {
    return this.#endpoints.get(endpointKey(endpoint.candidate)) === endpoint;
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}

/** A pod that comes back under its old name with another address is another endpoint. */
export function endpointKey(candidate: Candidate): string {
  return `${candidate.key} ${candidate.address}`;
}
