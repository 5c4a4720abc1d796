/**
 * What was learnt of dialled addresses whose protocol nobody said, per data worker: whose server speaks first, so that the next
 * connections wait for nobody; and which ports of Services were told to carry bytes that are no HTTP.
 *
 * Wrong or forgotten, it costs one wait or one connection to an endpoint: who speaks first is watched in any case.
 */
import type { Clock } from "../../../core/clock.ts";
import { httpLimits, httpTimers } from "../limits.ts";

export class FirstSpeakers {
  readonly #clock: Clock;
  readonly #onLimit: (name: "detectedAddresses") => void;
  /** `ip:port` as dialled -> until when it is remembered. The oldest comes first. */
  readonly #servers = new Map<string, number>();
  readonly #told = new Set<string>();

  constructor(clock: Clock, onLimit: (name: "detectedAddresses") => void) {
    this.#clock = clock;
    this.#onLimit = onLimit;
  }

  isServer(dialled: string): boolean {
    const untilMs = this.#servers.get(dialled);
    if (untilMs === undefined) return false;
    if (this.#clock.monotonicMs() < untilMs) return true;
    this.#servers.delete(dialled);
    return false;
  }

  serverSpoke(dialled: string): void {
    this.#servers.delete(dialled);
    if (this.#servers.size >= httpLimits.detectedAddresses) {
      this.#onLimit("detectedAddresses");
      this.#servers.delete(this.#servers.keys().next().value as string);
    }
    this.#servers.set(dialled, this.#clock.monotonicMs() + httpTimers.firstSpeakerMs);
  }

  /** HTTP: its client speaks first. */
  clientSpoke(dialled: string): void {
    this.#servers.delete(dialled);
  }

  /** True once per port of a Service. */
  tell(servicePort: string): boolean {
    if (this.#told.has(servicePort)) return false;
    if (this.#told.size >= httpLimits.detectedAddresses) {
      this.#onLimit("detectedAddresses");
      this.#told.clear();
    }
    this.#told.add(servicePort);
    return true;
  }
}
