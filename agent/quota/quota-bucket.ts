/**
 * Tokens of one worker for one quota: a bucket whose rate changes all the time, and that knows what it could not keep,
 * because tokens are parts of a quota of the whole cluster.
 *
 *   rate --> tokens (little, so that a total is met) --overflow--> reserve (for those that come in bursts) --> unused
 *                |                                                    |
 *             requests                                     requests when there is no token: a debt, which is
 *                                                          taken from the rate within one period
 *
 * So a burst of what was not needed before passes, and no period has more than the rate and the few tokens give.
 */
export interface QuotaRate {
  /** Tokens per millisecond. */
  readonly rate: number;
  /** Requests that may come at once, at least 1. */
  readonly burst: number;
  /** Those that may come besides, when they were not needed before. */
  readonly reserve: number;
  /** Requests that may come once, besides what fits. */
  readonly credit: number;
}

/** A token, but for what sums of fractions are off. */
const WHOLE = 1 - 1e-9;

export class QuotaBucket {
  readonly #perMs: number;
  #tokens: number;
  #reserve = 0;
  /** Of the reserve, what is from the last period: nobody has more in it when this is used. */
  #fresh = 0;
  /** Of the rest of the reserve, what was used and is not made up for. */
  #debt = 0;
  /** Of the rate, what goes into the debt: all of it within a period. */
  #repayment = 0;
  #limits: QuotaRate;
  #atMs: number;
  #unused = 0;

  /** Full. `perMs`: period of the quota. */
  constructor(burst: number, perMs: number, nowMs: number) {
    this.#perMs = perMs;
    this.#tokens = burst;
    this.#limits = { rate: 0, burst, reserve: 0, credit: 0 };
    this.#atMs = nowMs;
  }

  /** False: there is no whole token. */
  take(nowMs: number): boolean {
    this.#fill(nowMs);
    if (this.#tokens >= WHOLE) this.#tokens -= 1;
    else if (this.#reserve >= WHOLE) this.#takeReserve();
    else return false;
    return true;
  }

  /** Until there is a whole token; Infinity while none comes. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs);
    if (this.#tokens >= WHOLE || this.#reserve >= WHOLE) return 0;
    return (1 - this.#tokens) / (this.#limits.rate - this.#withheldRate);
  }

  /** From now on. */
  set(limits: QuotaRate, nowMs: number): void {
    this.#fill(nowMs);
    this.#limits = limits;
    this.#spill();
    this.#tokens += limits.credit;
  }

  /** What did not fit since the last call. */
  takeUnused(nowMs: number): number {
    this.#fill(nowMs);
    const unused = this.#unused;
    this.#unused = 0;
    return unused;
  }

  #takeReserve(): void {
    this.#reserve -= 1;
    const owed = Math.max(0, 1 - this.#fresh);
    this.#fresh = Math.max(0, this.#fresh - 1);
    this.#debt += owed;
    this.#repayment = Math.max(this.#repayment, this.#debt / this.#perMs);
  }

  get #withheldRate(): number {
    return this.#debt > 0 ? Math.min(this.#repayment, this.#limits.rate) : 0;
  }

  #fill(nowMs: number): void {
    const { rate, burst } = this.#limits;
    const passedMs = nowMs - this.#atMs;
    this.#atMs = nowMs;
    if (this.#fresh > 0) this.#fresh *= Math.exp(-passedMs / this.#perMs);
    const withheld = Math.min(this.#debt, passedMs * this.#withheldRate);
    const earned = passedMs * rate - withheld;
    const fitting = Math.max(0, Math.min(earned, burst - this.#tokens));
    this.#tokens += fitting;
    this.#repay(withheld);
    this.#overflow(earned - fitting);
  }

  /** What the tokens have no room for makes up for earlier bursts, and for the next one. */
  #overflow(excess: number): void {
    this.#repay(excess);
    const fitting = Math.max(0, Math.min(excess, this.#limits.reserve - this.#reserve));
    this.#reserve += fitting;
    this.#fresh += fitting;
    this.#unused += excess - fitting;
  }

  #repay(tokens: number): void {
    this.#debt = Math.max(0, this.#debt - tokens);
    if (this.#debt === 0) this.#repayment = 0;
  }

  /** A smaller share: what it had set by is not somebody else's, who would have it beside his own. */
  #spill(): void {
    const { burst, reserve } = this.#limits;
    const excess = Math.max(0, this.#tokens - burst);
    this.#tokens -= excess;
    this.#unused += excess;
    this.#reserve = Math.min(this.#reserve, reserve);
  }
}
