/**
 * The log of a process: one JSON line per event on standard output, written by pino.
 *
 * Written in the background: a reader that stopped reading must never stop the process. Beyond a bound lines are lost,
 * and a line says how many once the reader has caught up.
 */
import { pino } from "pino";
import { isLogged, type Log, type LogFields, type LogLevel } from "./log.ts";
import { redactLine } from "./redact-line.ts";

export interface RelayedLog extends Log {
  /** Of another thread, as LogLines makes them: nothing is done to them. */
  writeLines(lines: string): void;
  /** Writes out what is buffered, waiting for the reader: the last call before the process ends. */
  flush(): void;
}

export interface PinoLogOptions {
  readonly level: LogLevel;
  /** Fields on every line, e.g. `{ component: "agent", node: "node-1" }`. */
  readonly base: LogFields;
  /** Default: standard output. */
  readonly destination?: LogOutput;
}

export interface LogOutput {
  write(line: string): void;
  flushSync?(): void;
}

/** Bytes of lines that wait for a slow reader: some ten thousand lines. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;

export function createPinoLog(options: PinoLogOptions): RelayedLog {
  const output = options.destination ?? boundedStandardOutput();
  const logger = pino(
    {
      level: options.level,
      base: { ...options.base },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
    },
    { write: (line: string) => output.write(redactLine(line)) },
  );
  return {
    keepsDebug: isLogged("debug", options.level),
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    writeLines: (lines) => output.write(lines),
    flush: () => output.flushSync?.(),
  };
}

/** Standard output, with a note after the lines that did not fit. */
function boundedStandardOutput(): LogOutput {
  const output = pino.destination({ dest: 1, sync: false, maxLength: MAX_BUFFERED_BYTES });
  let lost = 0;
  output.on("drop", (lines: string) => {
    lost += lines.split("\n").length - 1;
  });
  output.on("drain", () => {
    if (lost === 0) return;
    const note = { level: "warn", time: new Date().toISOString(), event: "log-lost", lost };
    lost = 0;
    output.write(`${JSON.stringify({ ...note, msg: "Log lines were lost, the reader is too slow" })}\n`);
  });
  // The reader is gone (EPIPE): there is nobody to tell.
  output.on("error", () => {});
  return output;
}
