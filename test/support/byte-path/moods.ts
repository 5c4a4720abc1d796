/** What a seed makes of lengths, pauses and sizes: much that is small, some that is large, and now and then a long wait. */
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";

export class Moods {
  readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  /** 1 to `most`, each order of magnitude as likely as any other. */
  upTo(most: number): number {
    return Math.max(1, Math.round(most ** this.random()));
  }

  /** Of a stream as a whole. */
  length(most: number): number {
    return this.chance(0.1) ? 0 : this.upTo(most);
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)] as T;
  }

  /** Nothing, a turn of the event loop, or some milliseconds. */
  async pause(mostMs: number): Promise<void> {
    if (this.chance(0.6)) return;
    if (this.chance(0.7)) await turn();
    else await sleep(this.random() * mostMs);
  }
}
