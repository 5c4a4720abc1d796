/**
 * Starts a lab's processes and waits until the cluster in it is ready. The caller's process is the launcher:
 *
 *   launcher ── setpriv+unshare (waits) ── sh (pid 1 of the lab, reaps) ── cluster-main ── everything else
 *
 * The lab cannot outlive its launcher: unshare is killed by the kernel when the launcher dies (parent-death signal),
 * pid 1 when unshare dies, everything else when pid 1 dies. Should the launcher die before those are armed,
 * cluster-main notices that its standard input ended.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { describeError, HawserError } from "../../core/errors.ts";
import { processStartTicks } from "../cluster/process-usage.ts";
import type { LabSettings } from "../lab-status.ts";
import { LeftoverSearch } from "./leftovers.ts";
import { bundleMeshPrograms } from "./mesh-programs.ts";
import { namespaceSupport, unshareCommand } from "./namespace-support.ts";
import { readTail } from "./read-tail.ts";
import { childPids } from "./process-tree.ts";
import { claimStateDirectory, writeRecord } from "./state-directory.ts";
import type { LabRecord } from "./state-directory.ts";

export interface LaunchOptions extends Omit<LabSettings, "stateDir" | "startedAtMs"> {
  readonly onProgress: (detail: string) => void;
  /** Start fails when the lab is not ready by then. */
  readonly readyTimeoutMs: number;
  /** Gives the start up; nothing is left then. */
  readonly signal?: AbortSignal;
}

export interface LaunchedLab {
  readonly record: LabRecord;
  readonly ended: Promise<void>;
  /** Kills everything, removes the state directory, and says what is left all the same. */
  stop(): Promise<readonly string[]>;
}

/** One line of cluster-main's standard output. */
export type LabEvent =
  | { readonly event: "progress"; readonly detail: string }
  | { readonly event: "ready" }
  | { readonly event: "failed"; readonly detail: string };

const PROJECT_ROOT = path.resolve(import.meta.dirname, "../..");
// pid 1 must reap orphans, which Node does not do; a shell that waits does. By way of 3, because a shell
// gives background jobs /dev/null as standard input before it looks at their redirections.
const INIT_SCRIPT = 'ulimit -n "$(ulimit -H -n)"; exec 3<&0; "$@" <&3 3<&- & wait $!';

export async function launchLab(options: LaunchOptions): Promise<LaunchedLab> {
  const startedAtMs = Date.now();
  const support = await namespaceSupport();
  if (!support.supported) throw new HawserError("no-namespaces", `Cannot make namespaces here: ${support.reason}`);
  const { onProgress, readyTimeoutMs, signal, ...cluster } = options;
  const stateDir = claimStateDirectory(options.name);
  const settings: LabSettings = { ...cluster, file: path.resolve(options.file), stateDir, startedAtMs };
  if (settings.mesh || settings.kubernetes !== undefined) await bundleOrRelease(stateDir);
  const child = startFirstProcess(settings, support.userNamespace);
  const record = recordOf(settings, support.userNamespace);
  writeRecord(record);
  const lab = new RunningLab(child, record);
  try {
    await lab.ready(onProgress, readyTimeoutMs, signal);
  } catch (error) {
    const log = readTail(path.join(stateDir, "logs/cluster.log"));
    await lab.stop();
    if (log === "") throw error;
    throw new HawserError("lab-failed", `${describeError(error)}\n${log}`);
  }
  return lab;
}

async function bundleOrRelease(stateDir: string): Promise<void> {
  try {
    await bundleMeshPrograms(stateDir, PROJECT_ROOT);
  } catch (error) {
    rmSync(stateDir, { recursive: true, force: true });
    throw new HawserError("lab-failed", `Cannot bundle agent and controller: ${describeError(error)}`);
  }
}

function startFirstProcess(settings: LabSettings, userNamespace: boolean): ChildProcess {
  const settingsFile = path.join(settings.stateDir, "settings.json");
  writeFileSync(settingsFile, JSON.stringify(settings, null, 2));
  mkdirSync(path.join(settings.stateDir, "logs/pods"), { recursive: true });
  const log = openSync(path.join(settings.stateDir, "logs/cluster.log"), "a");
  const main = [process.execPath, path.join(PROJECT_ROOT, "lab/cluster-main.ts"), settingsFile];
  const init = ["sh", "-c", INIT_SCRIPT, "sh", ...main];
  const args = ["--pdeathsig", "KILL", ...unshareCommand(userNamespace), ...init];
  const child = spawn("setpriv", args, {
    stdio: ["pipe", "pipe", log],
    cwd: PROJECT_ROOT,
    // An ordinary user's PATH lacks where ip and iptables are.
    env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin` },
  });
  closeSync(log);
  // Held open for the lab's whole life; a write never happens, so an error means that the lab is gone.
  child.stdin?.on("error", () => {});
  return child;
}

function recordOf(settings: LabSettings, userNamespace: boolean): LabRecord {
  return {
    name: settings.name,
    stateDir: settings.stateDir,
    launcherPid: process.pid,
    launcherStartTicks: processStartTicks(process.pid) ?? 0,
    initPid: 0,
    initStartTicks: 0,
    userNamespace,
    startedAtMs: settings.startedAtMs,
  };
}

class RunningLab implements LaunchedLab {
  record: LabRecord;
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  #leftovers: LeftoverSearch | undefined;

  constructor(child: ChildProcess, record: LabRecord) {
    this.#child = child;
    this.record = record;
    this.ended = new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
  }

  ready(onProgress: (detail: string) => void, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    let doing = "starting";
    return new Promise((resolve, reject) => {
      const fail = (message: string): void => {
        clearTimeout(timer);
        reject(new HawserError("lab-failed", message));
      };
      const timer = setTimeout(() => fail(`The lab was not ready after ${timeoutMs / 1000} s: ${doing}`), timeoutMs);
      signal?.addEventListener("abort", () => fail("The start was interrupted"), { once: true });
      if (this.#child.stdout === null) throw new HawserError("lab-failed", "The lab has no standard output");
      createInterface({ input: this.#child.stdout }).on("line", (line) => {
        const event = JSON.parse(line) as LabEvent;
        this.#noteFirstProcess();
        if (event.event === "failed") fail(event.detail);
        if (event.event === "progress") onProgress((doing = event.detail));
        if (event.event !== "ready") return;
        clearTimeout(timer);
        resolve();
      });
      // "close" comes after the last event was read, unlike "exit".
      this.#child.once("close", () => fail(`The lab's first process ended: ${doing}`));
    });
  }

  async stop(): Promise<readonly string[]> {
    // Killing pid 1 itself, not unshare: unshare's exit then tells that every process of the lab is gone.
    kill(this.record.initPid === 0 ? this.#child.pid : this.record.initPid);
    await this.ended;
    rmSync(this.record.stateDir, { recursive: true, force: true });
    return this.#leftovers?.find() ?? [];
  }

  /** The first event proves that pid 1 exists and is the only child of what we spawned. */
  #noteFirstProcess(): void {
    if (this.record.initPid !== 0 || this.#child.pid === undefined) return;
    const initPid = childPids(this.#child.pid)[0];
    if (initPid === undefined) return;
    this.record = { ...this.record, initPid, initStartTicks: processStartTicks(initPid) ?? 0 };
    writeRecord(this.record);
    this.#leftovers = new LeftoverSearch(this.record);
  }
}

function kill(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(pid, "SIGKILL");
  } catch {
    // It is gone already, which is what was wanted.
  }
}
