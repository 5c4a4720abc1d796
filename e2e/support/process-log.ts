/** What the controller and the agents of a lab have logged: one JSON record per line. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Lab } from "../../lab/lab-client.ts";
import { eventually } from "./eventually.ts";

export interface LogRecord {
  readonly level: string;
  readonly msg: string;
  readonly event?: string;
  readonly reason?: string;
  readonly [field: string]: unknown;
}

/** `file`: `agent-node-1.log`, `controller.log`. All lives of the process; the line being written is left out. */
export function logRecords(lab: Lab, file: string): readonly LogRecord[] {
  const lines = readFileSync(path.join(lab.logsDir, file), "utf8").split("\n").slice(0, -1);
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as LogRecord);
}

export function eventuallyLogged(
  lab: Lab,
  file: string,
  what: string,
  wanted: (record: LogRecord) => boolean,
): Promise<LogRecord> {
  return eventually(`${file} to say ${what}`, { timeoutMs: 10_000 }, () => logRecords(lab, file).find(wanted));
}
