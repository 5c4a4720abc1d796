/**
 * Quotas in one data worker: admits requests out of a bucket for each, and tells the main thread how many there were.
 *
 *   quiet --request: told at once--> active, told every 100 ms --a second without requests--> quiet
 *
 * How fast a bucket fills is said by the main thread (agent-quotas.ts), which answers to the first request; until then the
 * bucket has what this worker may give at once.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { QUOTA_IDLE_MS, QUOTA_REPORT_MS, type QuotaTerms } from "../../protocol/quota.ts";
import type { Quota } from "../../protocol/route-table.ts";
import { quotaLimits } from "./limits.ts";
import { QuotaBucket } from "./quota-bucket.ts";
import type { WorkerQuotaRate, WorkerQuotaUsage } from "./quota-messages.ts";

export interface WorkerQuotasOptions {
  readonly clock: Clock;
  readonly post: (usage: readonly WorkerQuotaUsage[]) => void;
  /** Of a quota of so many requests: what this worker may admit before it has asked anybody. */
  readonly allowance: (requests: number) => number;
  readonly onLimit: (name: "quotas") => void;
}

export interface QuotaRefusal {
  readonly quota: Quota;
  readonly retryAfterMs: number;
}

interface Counted {
  terms: QuotaTerms;
  readonly bucket: QuotaBucket;
  wanted: number;
  admitted: number;
  /** Undefined: quiet. */
  toldMs: number | undefined;
  wantedMs: number;
}

/** Twice per report to the controller, so that what that one tells is never older than this. */
const TELL_MS = QUOTA_REPORT_MS / 2;

export class WorkerQuotas {
  readonly #options: WorkerQuotasOptions;
  /** In order of last beginning. */
  readonly #counted = new Map<string, Counted>();
  /** Those that the main thread is to hear of at once. */
  readonly #woken: string[] = [];
  #timer: Timer | undefined;

  constructor(options: WorkerQuotasOptions) {
    this.#options = options;
  }

  /** Undefined: admitted by all, and charged to all. Else the first one that is used up, and nothing is charged. */
  admit(quotas: readonly Quota[]): QuotaRefusal | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    const refusal = this.#ask(quotas, nowMs);
    if (refusal === undefined) for (const { name } of quotas) this.#take(name, nowMs);
    if (this.#woken.length > 0) this.#tellWoken(nowMs);
    return refusal;
  }

  setRates(rates: readonly WorkerQuotaRate[]): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const rate of rates) this.#counted.get(rate.name)?.bucket.set(rate, nowMs);
  }

  close(): void {
    this.#timer?.cancel();
  }

  #ask(quotas: readonly Quota[], nowMs: number): QuotaRefusal | undefined {
    for (const quota of quotas) {
      const waitMs = this.#want(quota, nowMs).bucket.waitMs(nowMs);
      // Before the main thread has answered nothing comes at all, and that is a moment.
      if (waitMs > 0) return { quota, retryAfterMs: Math.min(waitMs, Math.max(quota.perMs, QUOTA_REPORT_MS)) };
    }
    return undefined;
  }

  #want(quota: Quota, nowMs: number): Counted {
    const counted = this.#of(quota, nowMs);
    counted.terms = quota;
    counted.wanted += 1;
    counted.wantedMs = nowMs;
    if (counted.toldMs === undefined) this.#wake(quota.name, counted, nowMs);
    return counted;
  }

  #take(name: string, nowMs: number): void {
    const counted = this.#counted.get(name);
    if (counted?.bucket.take(nowMs) === true) counted.admitted += 1;
  }

  #of(quota: Quota, nowMs: number): Counted {
    const known = this.#counted.get(quota.name);
    if (known !== undefined) return known;
    if (this.#counted.size >= quotaLimits.quotas) this.#forgetOldest();
    const bucket = new QuotaBucket(this.#options.allowance(quota.requests), quota.perMs, nowMs);
    const created: Counted = { terms: quota, bucket, wanted: 0, admitted: 0, toldMs: undefined, wantedMs: nowMs };
    this.#counted.set(quota.name, created);
    return created;
  }

  #forgetOldest(): void {
    for (const oldest of this.#counted.keys()) {
      this.#counted.delete(oldest);
      this.#options.onLimit("quotas");
      return;
    }
  }

  #wake(name: string, counted: Counted, nowMs: number): void {
    this.#counted.delete(name);
    this.#counted.set(name, counted);
    // What it did not need while nobody asked is long gone.
    counted.bucket.takeUnused(nowMs);
    counted.toldMs = nowMs;
    this.#woken.push(name);
  }

  #tellWoken(nowMs: number): void {
    const usage = this.#woken.flatMap((name) => {
      const counted = this.#counted.get(name);
      return counted === undefined ? [] : [this.#usage(name, counted, nowMs, TELL_MS)];
    });
    this.#woken.length = 0;
    this.#options.post(usage);
    this.#timer ??= this.#options.clock.every(TELL_MS, () => this.#tell());
  }

  #tell(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const usage: WorkerQuotaUsage[] = [];
    let active = 0;
    for (const [name, counted] of this.#counted) {
      const { toldMs, wantedMs } = counted;
      if (toldMs === undefined) continue;
      if (nowMs > toldMs) usage.push(this.#usage(name, counted, nowMs, nowMs - toldMs));
      const isQuiet = nowMs - wantedMs > QUOTA_IDLE_MS;
      counted.toldMs = isQuiet ? undefined : nowMs;
      if (!isQuiet) active += 1;
    }
    if (usage.length > 0) this.#options.post(usage);
    if (active > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #usage(name: string, counted: Counted, nowMs: number, overMs: number): WorkerQuotaUsage {
    const { terms, bucket, wanted, admitted } = counted;
    const { requests, perMs } = terms;
    counted.wanted = 0;
    counted.admitted = 0;
    return { name, requests, perMs, overMs, wanted, admitted, unused: bucket.takeUnused(nowMs) };
  }
}
