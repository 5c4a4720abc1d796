/**
 * Counts one client's dealings with one service, apart for servers on the same node, on others, and unknown.
 *
 * A connection's placement is known with its first answer; until then, and for failures, it is unknown.
 * Calls count that began once the service had settled: a cluster that starts is slow and fails, and says nothing of how
 * it is later.
 */
import type { Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
import type { DestinationStats, Placement, PlacementStats } from "./client-stats.ts";
import { LatencyHistogram } from "./latency-histogram.ts";

/** A call that has ended; times are those of `Clock.monotonicMs`. */
export interface EndedCall {
  readonly startMs: number;
  readonly placement: Placement;
}

interface Counters {
  connections: number;
  requests: number;
  errors: number;
  bytes: number;
  readonly latency: LatencyHistogram;
}

/** Answers in a row after which a service has settled: its own pods, and those behind them, are all there. */
const SETTLED_ANSWERS = 10;

const PLACEMENTS: readonly Placement[] = ["same-node", "cross-node", "unknown"];

export class DestinationRecorder {
  readonly service: string;
  readonly #placements: Readonly<Record<Placement, Counters>> = {
    "same-node": newCounters(),
    "cross-node": newCounters(),
    unknown: newCounters(),
  };
  /** Open connections: folded into the counters when they close. */
  readonly #open = new Map<Socket, Placement>();
  readonly #clock: Clock;
  #answersInARow = 0;
  #settledMs = Number.POSITIVE_INFINITY;
  #startupFailures = 0;
  #skipped = 0;
  #retries = 0;
  #lastError: string | undefined;

  /** `service`: `namespace/name`. */
  constructor(service: string, clock: Clock) {
    this.service = service;
    this.#clock = clock;
  }

  /** Counts `socket` once it is connected, and its bytes. */
  connection(socket: Socket): void {
    socket.once("connect", () => this.#open.set(socket, "unknown"));
    socket.once("close", () => {
      const placement = this.#open.get(socket);
      if (placement === undefined) return;
      this.#open.delete(socket);
      const counters = this.#placements[placement];
      counters.connections++;
      counters.bytes += socket.bytesRead + socket.bytesWritten;
    });
  }

  /** The server of an open connection has said where it is. */
  placed(socket: Socket, placement: Placement): void {
    if (this.#open.has(socket)) this.#open.set(socket, placement);
  }

  /** `endMs`: when what is measured had happened; default now. */
  answered({ startMs, placement }: EndedCall, endMs = this.#clock.monotonicMs()): void {
    this.#answersInARow++;
    if (this.#answersInARow === SETTLED_ANSWERS) this.#settledMs = Math.min(this.#settledMs, this.#clock.monotonicMs());
    if (startMs <= this.#settledMs) return;
    const counters = this.#placements[placement];
    counters.requests++;
    counters.latency.record(endMs - startMs);
  }

  failed({ startMs, placement }: EndedCall, reason: string): void {
    this.#lastError = reason;
    this.#answersInARow = 0;
    if (startMs <= this.#settledMs) this.#startupFailures++;
    else this.#placements[placement].errors++;
  }

  skipped(): void {
    if (this.#settledMs <= this.#clock.monotonicMs()) this.#skipped++;
  }

  retried(): void {
    this.#retries++;
  }

  stats(): DestinationStats {
    const stats = {
      service: this.service,
      startupFailures: this.#startupFailures,
      skipped: this.#skipped,
      retries: this.#retries,
      placements: PLACEMENTS.map((placement) => this.#placementStats(placement)).filter(isUsed),
    };
    return this.#lastError === undefined ? stats : { ...stats, lastError: this.#lastError };
  }

  #placementStats(placement: Placement): PlacementStats {
    const { connections, requests, errors, bytes, latency } = this.#placements[placement];
    const open = [...this.#open].filter(([, of]) => of === placement).map(([socket]) => socket);
    const openBytes = open.reduce((sum, socket) => sum + socket.bytesRead + socket.bytesWritten, 0);
    return {
      placement,
      connections: connections + open.length,
      requests,
      errors,
      bytes: bytes + openBytes,
      latency: latency.counts(),
    };
  }
}

function newCounters(): Counters {
  return { connections: 0, requests: 0, errors: 0, bytes: 0, latency: new LatencyHistogram() };
}

function isUsed(stats: PlacementStats): boolean {
  return stats.connections + stats.requests + stats.errors > 0;
}
