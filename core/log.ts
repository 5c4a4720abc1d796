/**
 * What a component says, as structured lines: facts first, then a sentence. Main programs pass a pino log, data workers
 * a relay to the main thread, tests a recorder. Secrets (keys, tokens) are never passed as facts.
 */

/** From the least to the most urgent. */
export type LogLevel = "debug" | "info" | "warn" | "error";

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  /** Whether debug lines are kept: what is said of every request is not even put together otherwise. */
  readonly keepsDebug: boolean;
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** True when a line of `level` is wanted by a log whose least level is `threshold`. */
export function isLogged(level: LogLevel, threshold: LogLevel): boolean {
  return RANK[level] >= RANK[threshold];
}
