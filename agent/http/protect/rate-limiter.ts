/**
 * A token bucket that is kept as one number: the generic cell rate algorithm (ITU-T I.371, annex A). What is remembered is
 * when the bucket will be full again; every request moves that by `perMs / requests`, and may come while it is no
 * further away than `burst` of them.
 *
 * Whoever has several limits asks all of them first, and charges them when all agree: what one refuses costs the others
 * nothing.
 */
import { hash } from "node:crypto";
import type { LiveRate } from "../../../protocol/live-state.ts";
import { LONGEST_KEPT_VALUE, protectLimits } from "./limits.ts";

export interface RateSettings {
  /** At least 0 of them a `perMs`; a share of one is a share. */
  readonly requests: number;
  readonly perMs: number;
  /** At least 1. */
  readonly burst: number;
}

/** Full at `fullMs`. */
interface Bucket {
  readonly key: string;
  fullMs: number;
}

/** Sums of intervals are not exact; a thousandth of a millisecond is. */
const ROUNDING_MS = 1e-3;

export class RateLimiter {
  readonly #onLimit: (name: "rateLimitValues") => void;
  #settings: RateSettings;
  /** Of all requests, or of those without a value. */
  #shared: Bucket = { key: "", fullMs: 0 };
  /** In order of last use. Made with the first value. */
  #byValue: Map<string, Bucket> | undefined;

  constructor(settings: RateSettings, onLimit: (name: "rateLimitValues") => void) {
    this.#settings = settings;
    this.#onLimit = onLimit;
  }

  /** Values that are told apart now. */
  get values(): number {
    return this.#byValue?.size ?? 0;
  }

  /** For a person who asks: of values there may be ten thousand, which takes a millisecond. */
  read(nowMs: number): Omit<LiveRate, "worker" | "scope" | "limit"> {
    const { burst } = this.#settings;
    const reading = { left: this.#left(this.#shared, nowMs), burst };
    if (this.#byValue === undefined) return reading;
    let fewestLeft = burst;
    for (const bucket of this.#byValue.values()) fewestLeft = Math.min(fewestLeft, this.#left(bucket, nowMs));
    return { ...reading, values: { count: this.#byValue.size, fewestLeft } };
  }

  /** How long until one more of this value would be admitted; 0: now. Nothing is charged. */
  waitMs(nowMs: number, value: string | undefined): number {
    const fullMs = this.#find(value)?.fullMs ?? 0;
    const { burst } = this.#settings;
    const excessMs = Math.max(fullMs, nowMs) - nowMs - (burst - 1) * this.#intervalMs;
    return excessMs > ROUNDING_MS ? excessMs : 0;
  }

  charge(nowMs: number, value: string | undefined): void {
    const bucket = value === undefined ? this.#shared : this.#take(keyOf(value));
    bucket.fullMs = Math.max(bucket.fullMs, nowMs) + this.#intervalMs;
  }

  /** Other numbers from now on; what is charged stays charged, in time. */
  adapt(settings: RateSettings): void {
    this.#settings = settings;
  }

  get #intervalMs(): number {
    return this.#settings.perMs / this.#settings.requests;
  }

  #left({ fullMs }: Bucket, nowMs: number): number {
    const { burst } = this.#settings;
    return Math.max(0, burst - Math.max(0, fullMs - nowMs) / this.#intervalMs);
  }

  #find(value: string | undefined): Bucket | undefined {
    return value === undefined ? this.#shared : this.#byValue?.get(keyOf(value));
  }

  /** At the young end. */
  #take(key: string): Bucket {
    this.#byValue ??= new Map();
    const known = this.#byValue.get(key);
    if (known === undefined && this.#byValue.size >= protectLimits.rateLimitValues) this.#forgetOldest(this.#byValue);
    const bucket = known ?? { key: ownText(key), fullMs: 0 };
    this.#byValue.delete(bucket.key);
    this.#byValue.set(bucket.key, bucket);
    return bucket;
  }

  #forgetOldest(buckets: Map<string, Bucket>): void {
    for (const oldest of buckets.keys()) {
      buckets.delete(oldest);
      this.#onLimit("rateLimitValues");
      return;
    }
  }
}

/** A hash is longer than what is kept as it is: nobody can send another one's hash as a value. */
function keyOf(value: string): string {
  return value.length <= LONGEST_KEPT_VALUE ? value : hash("sha512", value, "base64");
}

/** A slice of a head keeps the whole head in memory for as long as it lives. */
function ownText(slice: string): string {
  return Buffer.from(slice).toString();
}
