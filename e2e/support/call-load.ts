/** Calls and requests under way in a pod (pods/call-load.ts), and what came of them so far. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Lab } from "../../lab/lab-client.ts";
import type { CallLoadOptions, CallRecord, SessionRecord } from "../pods/call-load.ts";
import { programCommand } from "./run-program.ts";

export class CallLoad {
  /** In the order of their ends. */
  readonly records: CallRecord[] = [];
  /** How connections of HTTP/2 were ended. */
  readonly sessionEnds: SessionRecord["end"][] = [];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout as Readable }).on("line", (line) => {
      const record = JSON.parse(line) as CallRecord | SessionRecord;
      if (record.kind === "session") this.sessionEnds.push(record.end);
      else this.records.push(record);
    });
  }

  static async start(lab: Lab, podName: string, options: CallLoadOptions): Promise<CallLoad> {
    const command = programCommand("call-load.ts", [JSON.stringify(options)]);
    return new CallLoad(await lab.spawn(podName, command, { stdio: ["pipe", "pipe", "inherit"] }));
  }

  /** Nothing more is begun; resolves when what is under way has come to its end as well. */
  async end(): Promise<readonly CallRecord[]> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "close");
    return this.records;
  }
}
