/**
 * All live connections of one data worker: enforces the bounds on connections, the idle timers and the bytes that stalled
 * readers may make the worker hold, and ends what is left when a drain's deadline comes.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { type LimitName, limits, timers } from "../limits.ts";
import type { CloseReason } from "../relay/relay.ts";

/** A connection that a pod has with this agent. */
export interface LiveConnection {
  /** Where the registry has it, for the registry alone. */
  place?: number | undefined;
  /** What it makes the agent hold, because its readers do not read or there is nobody to read yet. */
  readonly heldBytes: number;
  /** Called once per sweep: enforces its timers without a clock read per chunk. */
  sweep(nowMs: number): void;
  /** Ends both sides with a reset. */
  abort(reason: CloseReason, detail?: string): void;
  /** Ends as soon as nothing is under way; not for those that are one thing from begin to end. */
  drain?(): void;
}

export interface RegistryOptions {
  readonly clock: Clock;
  readonly onLimit: (name: LimitName) => void;
}

export class ConnectionRegistry {
  readonly #options: RegistryOptions;
  /** Not a Map: what comes and goes all the time would be kept by its old tables (see agent/http2/stream-table.ts). */
  readonly #live: LiveConnection[] = [];
  /** Beside it: the pod whose share each counts against. */
  readonly #sources: (string | undefined)[] = [];
  readonly #perSource = new Map<string, number>();
  #timer: Timer | undefined;
  #onEmpty: (() => void) | undefined;
  heldBytes = 0;
  /** Connections should end as soon as nothing is under way on them. */
  isDraining = false;

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
    return this.#live.length;
  }

  /** Whether one more fits; counts the bound that refuses it. */
  admits(source: string | undefined): boolean {
    if (this.#live.length >= limits.connectionsPerWorker) {
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
  add(connection: LiveConnection, source: string | undefined): void {
    connection.place = this.#live.length;
    this.#live.push(connection);
    this.#sources.push(source);
    if (source !== undefined) this.#perSource.set(source, (this.#perSource.get(source) ?? 0) + 1);
  }

  remove(connection: LiveConnection): void {
    const { place } = connection;
    if (place === undefined) return;
    const source = this.#sources[place];
    this.#fill(place);
    connection.place = undefined;
    if (source !== undefined) this.#forgetOne(source);
    if (this.#live.length === 0) this.#onEmpty?.();
  }

  /** Resolves when the last connection has ended. */
  async empty(): Promise<void> {
    // One that is handed from one owner to the next is for a moment with none.
    while (this.#live.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
    }
  }

  abortAll(reason: CloseReason): void {
    for (const connection of [...this.#live]) connection.abort(reason);
  }

  drainAll(): void {
    this.isDraining = true;
    for (const connection of [...this.#live]) connection.drain?.();
  }

  /** The last one takes the place of one that leaves. */
  #fill(place: number): void {
    const last = this.#live.pop();
    const source = this.#sources.pop();
    if (last === undefined || place === this.#live.length) return;
    this.#live[place] = last;
    this.#sources[place] = source;
    last.place = place;
  }

  #forgetOne(source: string): void {
    const left = (this.#perSource.get(source) ?? 1) - 1;
    if (left === 0) this.#perSource.delete(source);
    else this.#perSource.set(source, left);
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs();
    let heldBytes = 0;
    // Backwards: who leaves meanwhile is followed by one that was seen.
    for (let place = this.#live.length - 1; place >= 0; place -= 1) {
      const connection = this.#live[place];
      if (connection === undefined) continue;
      heldBytes += connection.heldBytes;
      connection.sweep(nowMs);
    }
    this.heldBytes = heldBytes;
    if (heldBytes > limits.stalledBytesPerWorker) this.#shed(heldBytes - limits.stalledBytesPerWorker);
  }

  /** Resets the largest holders first: the fewest connections are hurt. */
  #shed(excessBytes: number): void {
    const holders = this.#live.filter((connection) => connection.heldBytes > 0);
    holders.sort((a, b) => b.heldBytes - a.heldBytes);
    let left = excessBytes;
    for (const connection of holders) {
      if (left <= 0) return;
      left -= connection.heldBytes;
      this.#options.onLimit("stalledBytesPerWorker");
      connection.abort("stalled-bytes-limit", "its reader stopped and the agent holds too many bytes");
    }
  }
}
