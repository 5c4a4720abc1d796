/** A program of the mesh run as a process of the lab: its log, its state, its usage. Never restarted by itself. */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { HawserError } from "../../core/errors.ts";
import { processUsage } from "./process-usage.ts";
import type { ProcessUsage } from "./process-usage.ts";

export interface DaemonSettings {
  readonly name: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
}

export interface DaemonExit {
  readonly code: number | null;
  readonly signal: string | null;
}

export class Daemon {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<DaemonExit>;
  #exit: DaemonExit | undefined;
  #lastUsage: ProcessUsage = { rssMb: 0, cpuSeconds: 0 };

  constructor(settings: DaemonSettings) {
    const [program = "", ...args] = settings.argv;
    const log = openSync(settings.logFile, "a");
    const child = spawn(program, args, { env: settings.environment, stdio: ["ignore", log, log], detached: true });
    closeSync(log);
    child.on("error", () => {});
    if (child.pid === undefined) throw new HawserError("not-started", `Cannot start ${settings.name}`);
    this.name = settings.name;
    this.pid = child.pid;
    this.logFile = settings.logFile;
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
  }

  get exit(): DaemonExit | undefined {
    return this.#exit;
  }

  get state(): "running" | "exited" {
    return this.#exit === undefined ? "running" : "exited";
  }

  /** Of a process that has ended: the last that was seen. */
  get usage(): ProcessUsage {
    if (this.#exit === undefined) this.#lastUsage = processUsage(this.pid);
    return this.#lastUsage;
  }

  signal(signal: string): void {
    if (this.#exit !== undefined) throw new HawserError("not-running", `${this.name} has ended already`);
    process.kill(this.pid, signal);
  }
}
