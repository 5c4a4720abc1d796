/**
 * How long changes take to reach the agents: from publication to the agent's word that it is in force.
 */
import type { Clock } from "../core/clock.ts";
import { limits } from "./limits.ts";

export interface ConvergenceSummary {
  readonly samples: number;
  /** Milliseconds; undefined before the first sample. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

export class Convergence {
  readonly #clock: Clock;
  readonly #onSample: (ms: number) => void;
  /** Sequence -> when it was published; of the current epoch, the newest few. */
  readonly #publishedAtMs = new Map<number, number>();
  readonly #samplesMs: number[] = [];
  #nextSample = 0;

  constructor(clock: Clock, onSample: (ms: number) => void = () => {}) {
    this.#clock = clock;
    this.#onSample = onSample;
  }

  published(sequence: number, epochBegins: boolean): void {
    if (epochBegins) this.#publishedAtMs.clear();
    this.#publishedAtMs.set(sequence, this.#clock.monotonicMs());
    for (const oldest of this.#publishedAtMs.keys()) {
      if (this.#publishedAtMs.size <= limits.convergenceSamples) break;
      this.#publishedAtMs.delete(oldest);
    }
  }

  /**
   * An agent that had `before` in force now has `sequence`. Changes from before its channel was open (`connectedAtMs`,
   * monotonic) are not counted: that time is an outage's.
   */
  applied(before: number, sequence: number, connectedAtMs: number): void {
    const first = Math.max(before + 1, sequence - limits.convergenceSamples);
    for (let current = first; current <= sequence; current += 1) {
      const publishedAtMs = this.#publishedAtMs.get(current);
      if (publishedAtMs !== undefined && publishedAtMs >= connectedAtMs) {
        this.#add(this.#clock.monotonicMs() - publishedAtMs);
      }
    }
  }

  summary(): ConvergenceSummary {
    const sorted = [...this.#samplesMs].sort((a, b) => a - b);
    const at = (share: number): number | undefined => sorted[Math.ceil(sorted.length * share) - 1];
    return { samples: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99) };
  }

  #add(ms: number): void {
    this.#samplesMs[this.#nextSample] = ms;
    this.#nextSample = (this.#nextSample + 1) % limits.convergenceSamples;
    this.#onSample(ms);
  }
}
