/** The real controller as a process of its own: what it says, what it uses, and how it is ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { controllerNodeFlags } from "../../build/node-flags.ts";
import { HawserError } from "../../core/errors.ts";
import { type ProcessUsage, processUsage } from "../../lab/cluster/process-usage.ts";
import { CONTROL_PORT, CONTROLLER_ADMIN_PORT } from "../../protocol/ports.ts";

export interface ControllerProcessOptions {
  /** The controller as it ships: its bundle. */
  readonly program: string;
  readonly documents: string;
  readonly state: string;
  /** More flags for the runtime than those it ships with, e.g. `--cpu-prof`. */
  readonly runtimeFlags: readonly string[];
}

const START_TIMEOUT_MS = 120_000;

export class ControllerProcess {
  readonly url = `wss://127.0.0.1:${CONTROL_PORT}`;
  readonly #child: ChildProcess;
  #published = 0;
  #refusals = 0;
  #epoch = "";
  #ended = false;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.once("exit", () => {
      this.#ended = true;
    });
  }

  /** Resolves when agents can dial. */
  static async start(options: ControllerProcessOptions): Promise<ControllerProcess> {
    const { program, documents, state, runtimeFlags } = options;
    const ports = ["--listen", `127.0.0.1:${CONTROL_PORT}`, "--admin", `127.0.0.1:${CONTROLLER_ADMIN_PORT}`];
    const flags = [...controllerNodeFlags, ...runtimeFlags];
    const args = [...flags, program, "--documents", documents, "--state", state, ...ports];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const controller = new ControllerProcess(child);
    await controller.#listening();
    return controller;
  }

  /** The newest table that was published. */
  get sequence(): number {
    return this.#published;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** States of the documents that were refused. */
  get refusals(): number {
    return this.#refusals;
  }

  usage(): ProcessUsage & { readonly peakMb: number } {
    const pid = this.#child.pid ?? 0;
    return { ...processUsage(pid), peakMb: peakResidentMb(pid) };
  }

  /** Of the admin port. */
  async get(path: string): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${CONTROLLER_ADMIN_PORT}${path}`)).text();
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    if (this.#ended) return;
    const exited = once(this.#child, "exit");
    this.#child.kill(signal);
    await exited;
  }

  #listening(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (what: string): void => reject(new HawserError("controller-not-started", what));
      const timer = setTimeout(
        () => fail(`Controller does not listen within ${START_TIMEOUT_MS} ms`),
        START_TIMEOUT_MS,
      );
      this.#child.once("exit", (code) => fail(`Controller exited with ${code} before it listened`));
      const { stdout } = this.#child;
      if (stdout === null) throw new HawserError("no-output", "Controller was started without a pipe");
      createInterface({ input: stdout }).on("line", (line) => {
        const facts = this.#said(line);
        if (facts["event"] !== "listening") return;
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #said(line: string): Readonly<Record<string, unknown>> {
    const facts = JSON.parse(line) as Readonly<Record<string, unknown>>;
    if (facts["msg"] === "Table published") {
      this.#published = Number(facts["sequence"]);
      this.#epoch = String(facts["epoch"]);
    }
    if (facts["msg"] === "Document refused") {
      this.#refusals += 1;
      process.stderr.write(`${line}\n`);
    }
    return facts;
  }
}

function peakResidentMb(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return Math.round(Number(kilobytes) / 102.4) / 10;
}
