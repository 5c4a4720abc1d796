/** The kubelet's readiness probe: ready while the pod answers. Quick until the first answer. */
import type { Clock, Timer } from "../../core/clock.ts";

export interface ReadinessProbeSettings {
  /** One look; never rejects. */
  readonly answers: () => Promise<boolean>;
  /** Between looks until the first answer, and from then on. */
  readonly firstPeriodMs: number;
  readonly periodMs: number;
  /** That many failures in a row count as one after the first answer. */
  readonly failureThreshold: number;
  readonly clock: Clock;
  readonly onResult: (answered: boolean) => void;
}

export class ReadinessProbe {
  readonly #settings: ReadinessProbeSettings;
  #timer: Timer | undefined;
  #answeredOnce = false;
  #failures = 0;
  #stopped = false;

  constructor(settings: ReadinessProbeSettings) {
    this.#settings = settings;
  }

  start(): void {
    void this.#round();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #round(): Promise<void> {
    const answered = await this.#settings.answers();
    if (this.#stopped) return;
    this.#answeredOnce ||= answered;
    this.#failures = answered ? 0 : this.#failures + 1;
    if (answered || this.#failures >= this.#settings.failureThreshold) this.#settings.onResult(answered);
    if (this.#stopped) return;
    const delayMs = this.#answeredOnce ? this.#settings.periodMs : this.#settings.firstPeriodMs;
    this.#timer = this.#settings.clock.after(delayMs, () => void this.#round());
  }
}
