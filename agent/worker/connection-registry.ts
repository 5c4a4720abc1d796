/**
 * All live relays of one data worker: enforces the bounds on connections, the idle timers and the bytes that stalled
 * readers may make the worker hold, and ends what is left when a drain's deadline comes.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { type LimitName, limits, timers } from "../limits.ts";
import type { CloseReason, Relay } from "../relay/relay.ts";

export interface RegistryOptions {
  readonly clock: Clock;
  readonly onLimit: (name: LimitName) => void;
}

export class ConnectionRegistry {
  readonly #options: RegistryOptions;
  readonly #relays = new Map<Relay, string | undefined>();
  readonly #perSource = new Map<string, number>();
  #timer: Timer | undefined;
  #onEmpty: (() => void) | undefined;
  heldBytes = 0;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.every(timers.sweepMs, () => this.#sweep());
  }

  close(): void {
    this.#timer?.cancel();
  }

  get size(): number {
    return this.#relays.size;
  }

  /** Whether one more fits; counts the bound that refuses it. */
  admits(source: string | undefined): boolean {
    if (this.#relays.size >= limits.connectionsPerWorker) {
      this.#options.onLimit("connectionsPerWorker");
      return false;
    }
    if (source !== undefined && (this.#perSource.get(source) ?? 0) >= limits.connectionsPerSourcePod) {
      this.#options.onLimit("connectionsPerSourcePod");
      return false;
    }
    return true;
  }

  /** `source`: the pod whose share this counts against. */
  add(relay: Relay, source: string | undefined): void {
    this.#relays.set(relay, source);
    if (source !== undefined) this.#perSource.set(source, (this.#perSource.get(source) ?? 0) + 1);
  }

  remove(relay: Relay): void {
    const source = this.#relays.get(relay);
    if (!this.#relays.delete(relay)) return;
    if (source !== undefined) this.#forgetOne(source);
    if (this.#relays.size === 0) this.#onEmpty?.();
  }

  /** Resolves when the last connection has ended. */
  async empty(): Promise<void> {
    if (this.#relays.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  abortAll(reason: CloseReason): void {
    for (const relay of [...this.#relays.keys()]) relay.abort(reason);
  }

  #forgetOne(source: string): void {
    const left = (this.#perSource.get(source) ?? 1) - 1;
    if (left === 0) this.#perSource.delete(source);
    else this.#perSource.set(source, left);
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs();
    let heldBytes = 0;
    for (const relay of this.#relays.keys()) {
      heldBytes += relay.heldBytes;
      relay.sweep(nowMs);
    }
    this.heldBytes = heldBytes;
    if (heldBytes > limits.stalledBytesPerWorker) this.#shed(heldBytes - limits.stalledBytesPerWorker);
  }

  /** Resets the largest holders first: the fewest connections are hurt. */
  #shed(excessBytes: number): void {
    const holders = [...this.#relays.keys()].filter((relay) => relay.heldBytes > 0);
    holders.sort((a, b) => b.heldBytes - a.heldBytes);
    let left = excessBytes;
    for (const relay of holders) {
      if (left <= 0) return;
      left -= relay.heldBytes;
      this.#options.onLimit("stalledBytesPerWorker");
      relay.abort("stalled-bytes-limit", "its reader stopped and the agent holds too many bytes");
    }
  }
}
