/** A connection load under way in a pod (pods/connection-load.ts), and what its connections met so far. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Lab } from "../../lab/lab-client.ts";
import type { ConnectionLoadOptions, ConnectionRecord } from "../pods/connection-load.ts";
import { programCommand } from "./run-program.ts";

export class ConnectionLoad {
  /** Of the connections that have ended, in the order of their ends. */
  readonly records: ConnectionRecord[] = [];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout as Readable }).on("line", (line) =>
      this.records.push(JSON.parse(line) as ConnectionRecord),
    );
  }

  static async start(lab: Lab, podName: string, options: ConnectionLoadOptions): Promise<ConnectionLoad> {
    const command = programCommand("connection-load.ts", [JSON.stringify(options)]);
    return new ConnectionLoad(await lab.spawn(podName, command, { stdio: ["pipe", "pipe", "inherit"] }));
  }

  /** Resolves when the load has come to its own end. */
  async finished(): Promise<readonly ConnectionRecord[]> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "close");
    return this.records;
  }

  /** No more new connections; resolves when those under way have ended as well. */
  end(): Promise<readonly ConnectionRecord[]> {
    this.#child.stdin?.end();
    return this.finished();
  }

  /** At once; connections under way are not recorded. */
  stop(): void {
    this.#child.kill("SIGKILL");
  }
}

/** How many connections each pod served, among those that were served. */
export function servedBy(records: readonly ConnectionRecord[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of records.flatMap((record) => record.pods)) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

export function failuresOf(records: readonly ConnectionRecord[]): readonly ConnectionRecord[] {
  return records.filter((record) => record.error !== undefined);
}

/** Reason -> how many connections failed for it; empty when all went well. */
export function failureCounts(records: readonly ConnectionRecord[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { error } of records) if (error !== undefined) counts[error] = (counts[error] ?? 0) + 1;
  return counts;
}
