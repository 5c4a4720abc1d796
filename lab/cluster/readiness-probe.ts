/** The kubelet's `tcpSocket` readiness probe: ready while the port answers. Quick until the first answer. */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../core/clock.ts";

export interface ReadinessProbeSettings {
  /** Throws, or gives a socket that will connect or fail. */
  readonly connect: () => Socket;
  readonly periodMs: number;
  readonly clock: Clock;
  readonly onResult: (answered: boolean) => void;
}

/** Kubernetes waits up to a period for the first probe; a lab should be up at once. */
const FIRST_PERIOD_MS = 40;
/** Kubernetes' default timeoutSeconds. */
const TIMEOUT_MS = 1_000;

export class ReadinessProbe {
  readonly #settings: ReadinessProbeSettings;
  #timer: Timer | undefined;
  #answeredOnce = false;
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
    const answered = await this.#answers();
    if (this.#stopped) return;
    this.#answeredOnce ||= answered;
    this.#settings.onResult(answered);
    const delayMs = this.#answeredOnce ? this.#settings.periodMs : FIRST_PERIOD_MS;
    this.#timer = this.#settings.clock.after(delayMs, () => void this.#round());
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      let socket: Socket;
      try {
        socket = this.#settings.connect();
      } catch {
        resolve(false);
        return;
      }
      const finish = (answered: boolean): void => {
        timer.cancel();
        socket.destroy();
        resolve(answered);
      };
      const timer = this.#settings.clock.after(TIMEOUT_MS, () => finish(false));
      socket.once("connect", () => finish(true));
      socket.once("error", () => finish(false));
    });
  }
}
