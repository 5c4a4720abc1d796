/** A log that keeps what was said, for tests that ask whether something was (or a secret was not). */
import type { Log, LogFields, LogLevel } from "../../core/log.ts";

export interface LoggedLine {
  readonly level: LogLevel;
  readonly fields: LogFields;
  readonly message: string;
}

export class CollectingLog implements Log {
  readonly keepsDebug = true;
  readonly lines: LoggedLine[] = [];

  debug(fields: LogFields, message: string): void {
    this.lines.push({ level: "debug", fields, message });
  }

  info(fields: LogFields, message: string): void {
    this.lines.push({ level: "info", fields, message });
  }

  warn(fields: LogFields, message: string): void {
    this.lines.push({ level: "warn", fields, message });
  }

  error(fields: LogFields, message: string): void {
    this.lines.push({ level: "error", fields, message });
  }

  /** The values of `fields.event`, in order. */
  get events(): unknown[] {
    return this.lines.map((line) => line.fields["event"]);
  }

  /** Everything said, as one text. */
  get text(): string {
    return this.lines.map((line) => `${line.level} ${line.message} ${JSON.stringify(line.fields)}`).join("\n");
  }
}
