/**
 * Runs a check of the rules every two seconds. A check that finds damage every time is somebody's constant fight (two
 * programs that both want to be first): it is run less and less often, so that they do not burn the host.
 *
 *   idle --period--> checking --intact--> idle (shortest period)
 *                             --repaired or failed--> idle (after a few in a row: twice the period, up to a maximum)
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { CHECK_PERIOD_MS, MAX_CHECK_PERIOD_MS } from "./limits.ts";

export interface ReconcilerOptions {
  /** Repairs what it finds; true when there was something. It reports its errors itself. */
  readonly check: () => Promise<boolean>;
  readonly clock: Clock;
}

/** Damaged checks in a row that are taken for accidents. */
const PATIENCE = 3;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  #timer: Timer | undefined;
  #running = false;
  #damagedInRow = 0;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#schedule();
  }

  /** No check begins after this; one that is under way ends by itself. */
  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
  }

  #schedule(): void {
    if (!this.#running) return;
    this.#timer = this.#options.clock.after(this.#delayMs(), () => void this.#run());
  }

  #delayMs(): number {
    const doublings = Math.max(0, this.#damagedInRow - PATIENCE);
    return Math.min(MAX_CHECK_PERIOD_MS, CHECK_PERIOD_MS * 2 ** doublings);
  }

  async #run(): Promise<void> {
    let damaged = true;
    try {
      damaged = await this.#options.check();
    } catch {
      // A check that fails counts as damage: the host is not asked more often because it is in trouble.
    }
    this.#damagedInRow = damaged ? this.#damagedInRow + 1 : 0;
    this.#schedule();
  }
}
