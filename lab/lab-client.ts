/**
 * A lab in the hands of a test, a benchmark, the view or the CLI: start one or connect to one, look into it, change it.
 *
 *   await using lab = await startLab({ mesh: false });
 *   const answer = await lab.exec("shop/front", ["curl", "-s", "http://catalog/"]);
 *
 * `view/view.ts` exports `runView(lab, { output, signal }): Promise<void>` and `report/build-report.ts` exports
 * `buildReport(lab): Promise<Omit<LabReport, "leftovers">>`; up.ts calls them.
 */
import { spawn } from "node:child_process";
import type { ChildProcess, StdioOptions } from "node:child_process";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { HawserError } from "../core/errors.ts";
import { runCommand } from "../core/run-command.ts";
import type { CommandResult } from "../core/run-command.ts";
import { kubectlCommand } from "./kubernetes/kubectl.ts";
import { ControlConnection } from "./launcher/control-connection.ts";
import { enterCommand, enterLabCommand } from "./launcher/enter-command.ts";
import { hostPid } from "./launcher/host-pid.ts";
import { launchLab } from "./launcher/launch-lab.ts";
import type { LaunchedLab, LaunchOptions } from "./launcher/launch-lab.ts";
import { findLab } from "./launcher/state-directory.ts";
import type { LabRecord } from "./launcher/state-directory.ts";
import type { LabMethod, LabMethods, LabStatus } from "./lab-status.ts";

export interface LabExecOptions {
  /** Written to the program's standard input, which is then closed. */
  readonly input?: string;
  /** Default 30 s. */
  readonly timeoutMs?: number;
}

/** A running lab. Targets are pods (`namespace/name`, or a name when unique) or node names. */
export interface Lab extends AsyncDisposable {
  readonly name: string;
  readonly stateDir: string;
  /** Where the controller reads its documents: a test may write garbage here directly. */
  readonly documentsDir: string;
  /** `agent-<node>.log` (`agent-<node>.<instance>.log`), `controller.log`, `pods/<namespace>.<name>.log`. */
  readonly logsDir: string;
  call<M extends LabMethod>(method: M, params: LabMethods[M]["params"]): Promise<LabMethods[M]["result"]>;
  status(): Promise<LabStatus>;
  /** Runs a program in the namespaces of a pod or node; resolves with its exit code whatever it is. */
  exec(target: string, argv: readonly string[], options?: LabExecOptions): Promise<CommandResult>;
  /** The same, not waited for. Killing the child (any signal) kills the program with SIGKILL. */
  spawn(target: string, argv: readonly string[], options?: { readonly stdio?: StdioOptions }): Promise<ChildProcess>;
  /** Runs kubectl as the admin of the lab's API server; resolves with its exit code whatever it is. */
  kubectl(args: readonly string[], options?: LabExecOptions): Promise<CommandResult>;
  /** The same, not waited for. */
  spawnKubectl(args: readonly string[], options?: { readonly stdio?: StdioOptions }): Promise<ChildProcess>;
  /** The machine's own pid of a process whose pid in the lab is known, to read its /proc without entering the lab. */
  hostPid(labPid: number): number;
  /** Takes the lab down and removes its state directory. A lab that this process did not start is only disconnected. */
  stop(): Promise<LabLeftovers>;
  /** Resolves when the lab has died or was stopped. */
  readonly ended: Promise<void>;
}

/** What outlived the lab: processes, mounts, files. Empty when all is well. */
export type LabLeftovers = readonly string[];

export type StartLabOptions = Partial<LaunchOptions>;

const DEFAULT_EXEC_TIMEOUT_MS = 30_000;
/** Enough for a cold machine; a lab is usually ready in a few seconds. */
const DEFAULT_READY_TIMEOUT_MS = 60_000;
const DEFAULT_FILE = path.join(import.meta.dirname, "cluster.yaml");

/** Starts a lab and resolves when it is ready. It ends with this process at the latest. */
export async function startLab(options: StartLabOptions = {}): Promise<Lab> {
  const launched = await launchLab({
    name: `lab-${randomBytes(4).toString("hex")}`,
    file: DEFAULT_FILE,
    mesh: true,
    backend: "nft",
    workers: 1,
    rpFilter: 2,
    bridgeNetfilter: false,
    logLevel: "info",
    capture: false,
    onProgress: () => {},
    readyTimeoutMs: DEFAULT_READY_TIMEOUT_MS,
    ...options,
  });
  const connection = await ControlConnection.open(controlSocket(launched.record));
  return new ConnectedLab(launched.record, connection, launched);
}

/** Connects to a lab that runs already: the one of that name, or the only one. */
export async function connectLab(name?: string): Promise<Lab> {
  const record = findLab(name);
  return new ConnectedLab(record, await ControlConnection.open(controlSocket(record)), undefined);
}

class ConnectedLab implements Lab {
  readonly name: string;
  readonly stateDir: string;
  readonly documentsDir: string;
  readonly logsDir: string;
  readonly ended: Promise<void>;
  readonly #record: LabRecord;
  readonly #connection: ControlConnection;
  readonly #launched: LaunchedLab | undefined;

  constructor(record: LabRecord, connection: ControlConnection, launched: LaunchedLab | undefined) {
    this.name = record.name;
    this.stateDir = record.stateDir;
    this.documentsDir = path.join(record.stateDir, "documents");
    this.logsDir = path.join(record.stateDir, "logs");
    this.ended = launched?.ended ?? connection.ended;
    this.#record = record;
    this.#connection = connection;
    this.#launched = launched;
  }

  call<M extends LabMethod>(method: M, params: LabMethods[M]["params"]): Promise<LabMethods[M]["result"]> {
    return this.#connection.call(method, params);
  }

  status(): Promise<LabStatus> {
    return this.call("status", {});
  }

  async exec(target: string, argv: readonly string[], options: LabExecOptions = {}): Promise<CommandResult> {
    const command = await this.#enter(target, argv);
    return runCommand(command, { timeoutMs: DEFAULT_EXEC_TIMEOUT_MS, ...options });
  }

  async spawn(
    target: string,
    argv: readonly string[],
    options: { readonly stdio?: StdioOptions } = {},
  ): Promise<ChildProcess> {
    return spawnCommand(await this.#enter(target, argv), options.stdio);
  }

  async kubectl(args: readonly string[], options: LabExecOptions = {}): Promise<CommandResult> {
    return runCommand(await this.#kubectl(args), { timeoutMs: DEFAULT_EXEC_TIMEOUT_MS, ...options });
  }

  async spawnKubectl(args: readonly string[], options: { readonly stdio?: StdioOptions } = {}): Promise<ChildProcess> {
    return spawnCommand(await this.#kubectl(args), options.stdio);
  }

  hostPid(labPid: number): number {
    return hostPid(this.#record.initPid, labPid);
  }

  async stop(): Promise<LabLeftovers> {
    this.#connection.close();
    return (await this.#launched?.stop()) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #enter(target: string, argv: readonly string[]): Promise<readonly string[]> {
    const { pausePid } = await this.call("resolve", { target });
    return enterCommand(this.#record, pausePid, argv);
  }

  async #kubectl(args: readonly string[]): Promise<readonly string[]> {
    const { kubernetes } = await this.status();
    if (kubernetes === undefined) {
      throw new HawserError("no-api-server", "This lab has no API server, start one with: npm run up -- --kubernetes");
    }
    return enterLabCommand(this.#record, [...kubectlCommand(kubernetes), ...args]);
  }
}

function spawnCommand([program = "", ...args]: readonly string[], stdio: StdioOptions = "pipe"): ChildProcess {
  return spawn(program, args, { stdio });
}

function controlSocket(record: LabRecord): string {
  return path.join(record.stateDir, "control.sock");
}
