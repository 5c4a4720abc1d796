/**
 * Log lines of a data worker, written by the main thread: a worker must not wait for a disk or a pipe.
 *
 * A line is made where it is said, so that one text crosses instead of objects that would be taken apart and put together
 * again, and gathered with others for a moment. The queue is bounded: beyond it lines are dropped, and the next batch says
 * how many, so that a flood (an attacker's refused connections) costs neither memory nor the byte path.
 */
import type { Clock } from "../../core/clock.ts";
import { isLogged } from "../../core/log.ts";
import type { Log, LogFields, LogLevel } from "../../core/log.ts";
import { LogLines } from "../../core/log-lines.ts";
import type { RelayedLog } from "../../core/pino-log.ts";
import { LOG_FLUSH_MS, MAX_QUEUED_LOG_LINES } from "./limits.ts";

export interface LogBatch {
  /** As they are to be written. */
  readonly lines: string;
  /** Lines that found the queue full since the last batch. */
  readonly dropped: number;
}

export interface LogRelayOptions {
  /** Hands a batch to the main thread. */
  readonly post: (batch: LogBatch) => void;
  readonly clock: Clock;
  /** Lines below this level are not even queued. */
  readonly level: LogLevel;
  /** Fields on every line. */
  readonly base: LogFields;
  /** Called for every line that was dropped, for the metric. */
  readonly onDropped?: () => void;
}

export class LogRelay implements Log {
  readonly keepsDebug: boolean;
  readonly #options: LogRelayOptions;
  readonly #format: LogLines;
  #lines: string[] = [];
  #dropped = 0;
  #scheduled = false;

  constructor(options: LogRelayOptions) {
    this.#options = options;
    this.#format = new LogLines(options.base);
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
    if (this.#lines.length === 0 && this.#dropped === 0) return;
    const batch: LogBatch = { lines: this.#lines.join(""), dropped: this.#dropped };
    this.#lines = [];
    this.#dropped = 0;
    this.#options.post(batch);
  }

  #add(level: LogLevel, fields: LogFields, message: string): void {
    if (!isLogged(level, this.#options.level)) return;
    if (this.#lines.length >= MAX_QUEUED_LOG_LINES) {
      this.#dropped += 1;
      this.#options.onDropped?.();
      return;
    }
    this.#lines.push(this.#format.format(this.#options.clock.nowMs(), level, fields, message));
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

/** Main thread: writes a worker's batch. */
export function relayLines({ lines, dropped }: LogBatch, log: RelayedLog, worker: number): void {
  if (lines !== "") log.writeLines(lines);
  if (dropped > 0) log.warn({ event: "log-dropped", worker, dropped }, "Log lines of a worker were dropped");
}
