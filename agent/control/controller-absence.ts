/**
 * How long there has been no channel to any controller. An agent without one is as good as its last table: probes may know,
 * so that a rollout stops; traffic and other agents do not, for them nothing changes.
 */
import type { Clock } from "../../core/clock.ts";
import { controlLimits } from "./limits.ts";

export class ControllerAbsence {
  readonly #clock: Clock;
  /** Monotonic; undefined while there is a channel. */
  #sinceMs: number | undefined;

  /** Absent until `ended` is called. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
  }

  began(): void {
    this.#sinceMs ??= this.#clock.monotonicMs();
  }

  ended(): void {
    this.#sinceMs = undefined;
  }

  /** For a person; empty as long as the table is fresh. */
  pending(): readonly string[] {
    if (this.#sinceMs === undefined) return [];
    const awayMs = this.#clock.monotonicMs() - this.#sinceMs;
    if (awayMs < controlLimits.staleTableMs) return [];
    return [`fresh table: no controller for ${Math.floor(awayMs / 1_000)} s, traffic goes on by the last one`];
  }
}
