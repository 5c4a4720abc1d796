/**
 * Log lines of a data worker, written by the main thread: a worker must not wait for a disk or a pipe.
 *
 * Records are gathered for a moment and posted together. The queue is bounded: beyond it records are dropped, and the
 * next batch says how many, so that a flood (an attacker's refused connections) costs neither memory nor the byte path.
 */
import type { Clock } from "../../core/clock.ts";
import { isLogged } from "../../core/log.ts";
import type { Log, LogFields, LogLevel } from "../../core/log.ts";
import type { TimedLog } from "../../core/pino-log.ts";
import { LOG_FLUSH_MS, MAX_QUEUED_LOG_RECORDS } from "./limits.ts";

export interface LogRecord {
  readonly level: LogLevel;
  /** Unix time at which the worker said it. */
  readonly timeMs: number;
  readonly fields: LogFields;
  readonly message: string;
}

export interface LogBatch {
  readonly records: readonly LogRecord[];
  /** Records that found the queue full since the last batch. */
  readonly dropped: number;
}

export interface LogRelayOptions {
  /** Hands a batch to the main thread. */
  readonly post: (batch: LogBatch) => void;
  readonly clock: Clock;
  /** Lines below this level are not even queued. */
  readonly level: LogLevel;
  /** Called for every record that was dropped, for the metric. */
  readonly onDropped?: () => void;
}

export class LogRelay implements Log {
  readonly keepsDebug: boolean;
  readonly #options: LogRelayOptions;
  #records: LogRecord[] = [];
  #dropped = 0;
  #scheduled = false;

  constructor(options: LogRelayOptions) {
    this.#options = options;
    this.keepsDebug = isLogged("debug", options.level);
  }

  debug(fields: LogFields, message: string): void {
    this.#add("debug", fields, message);
  }

  info(fields: LogFields, message: string): void {
    this.#add("info", fields, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#add("warn", fields, message);
  }

  error(fields: LogFields, message: string): void {
    this.#add("error", fields, message);
  }

  /** Posts what is queued now: before the worker ends. */
  flush(): void {
    if (this.#records.length === 0 && this.#dropped === 0) return;
    const batch: LogBatch = { records: this.#records, dropped: this.#dropped };
    this.#records = [];
    this.#dropped = 0;
    this.#options.post(batch);
  }

  #add(level: LogLevel, fields: LogFields, message: string): void {
    if (!isLogged(level, this.#options.level)) return;
    if (this.#records.length >= MAX_QUEUED_LOG_RECORDS) {
      this.#dropped += 1;
      this.#options.onDropped?.();
      return;
    }
    this.#records.push({ level, timeMs: this.#options.clock.nowMs(), fields, message });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.clock.after(LOG_FLUSH_MS, () => {
      this.#scheduled = false;
      this.flush();
    });
  }
}

/** As it crosses to the main thread: one text is copied at once, where a tree of objects is walked on both sides. */
export function packLogBatch(batch: LogBatch): string {
  return JSON.stringify(batch);
}

export function unpackLogBatch(text: string): LogBatch {
  return JSON.parse(text) as LogBatch;
}

/** Main thread: writes a worker's batch, each record with the time at which it was said. */
export function relayToPino(batch: LogBatch, log: TimedLog, worker: number): void {
  for (const record of batch.records) {
    log.at(record.timeMs, record.level, { ...record.fields, worker }, record.message);
  }
  if (batch.dropped > 0) {
    log.warn({ event: "log-dropped", worker, dropped: batch.dropped }, "Log lines of a worker were dropped");
  }
}
