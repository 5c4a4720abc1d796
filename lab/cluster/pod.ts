/**
 * One pod as the kubelet imitation runs it: sandbox, process, readiness, end.
 *
 *   pending ──start──> running <──probe──> ready          a process that ends by itself: succeeded | failed,
 *                                                         or running again after a while (kubelet's restartPolicy)
 *      any of these ──terminate──> terminating ──> (gone)
 *
 * Every change of state, readiness or deletion is told to `onChange`, in order, before the next step is taken.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { HawserError } from "../../core/errors.ts";
import type { Clock } from "../../core/clock.ts";
import { enterSandboxCommand } from "../launcher/enter-command.ts";
import type { LabPod, LabPodState, LabPodStatus } from "../lab-status.ts";
import type { ClusterNode } from "./node.ts";
import { podDocument } from "./pod-document.ts";
import type { PodPlan, PodProbe } from "./pod-plan.ts";
import { probeAnswer } from "./probe-answer.ts";
import { ReadinessProbe } from "./readiness-probe.ts";
import type { NamespaceSockets } from "./namespace-socket.ts";
import type { Sandbox } from "./sandbox.ts";

export interface PodParts {
  readonly pod: LabPod;
  readonly plan: PodPlan;
  readonly node: ClusterNode;
  readonly sandbox: Sandbox;
  readonly ips: readonly string[];
  readonly logFile: string;
  /** Where the demo shop's clients write what they measured. */
  readonly statsFile: string;
  readonly sockets: NamespaceSockets;
  readonly clock: Clock;
  readonly onChange: (pod: RunningPod) => void;
}

/** Kubernetes waits up to a period for the first probe; a lab should be up at once. */
const FIRST_PERIOD_MS = 40;
/** Each look starts a process. */
const FIRST_EXEC_PERIOD_MS = 200;
/**
 * Waits before restarts: the kubelet also starts again at once the first time, and then backs off; its 10 s to 5 min are
 * too long for a lab.
 */
const RESTART_DELAYS_MS = [0, 500, 1_000, 2_000, 5_000] as const;
/** A process that has lived this long is started again without a wait. */
const STEADY_MS = 20_000;

export class RunningPod {
  readonly parts: PodParts;
  #state: LabPodState = "pending";
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #probe: ReadinessProbe | undefined;
  #probed = false;
  /** Set by hand from outside: never Ready while false. */
  #allowed = true;
  #deletionTimestamp: string | undefined;
  #reason: string | undefined;
  #startedMs = 0;
  #restarts = 0;
  #quickRestarts = 0;

  constructor(parts: PodParts) {
    this.parts = parts;
  }

  get uid(): string {
    return `${this.namespace}/${this.parts.pod.metadata.name}`;
  }

  get namespace(): string {
    return this.parts.pod.metadata.namespace ?? "default";
  }

  get terminating(): boolean {
    return this.#deletionTimestamp !== undefined;
  }

  /** The Ready condition. */
  get ready(): boolean {
    return this.#process !== undefined && this.#probed && this.#allowed;
  }

  /** Unix time of the process's start, 0 before; and how often it has been started again. */
  get life(): { readonly startedMs: number; readonly restarts: number; readonly running: boolean } {
    return { startedMs: this.#startedMs, restarts: this.#restarts, running: this.#process !== undefined };
  }

  get document(): object {
    const { pod, ips } = this.parts;
    return podDocument({ pod, ips, state: this.#state, ready: this.ready, deletionTimestamp: this.#deletionTimestamp });
  }

  get status(): LabPodStatus {
    const { pod, ips, sandbox } = this.parts;
    return {
      ...podIdentity(pod),
      ips,
      state: this.#state === "running" && this.ready ? "ready" : this.#state,
      pausePid: sandbox.pid,
      ...(this.#process?.pid === undefined ? {} : { pid: this.#process.pid }),
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
    };
  }

  start(): void {
    const { plan, ips, sandbox, logFile, statsFile } = this.parts;
    const { argv, environment } = plan.program(ips, statsFile);
    const [program = "", ...args] = enterSandboxCommand(sandbox.pid, argv);
    const log = openSync(logFile, "a");
    // Detached: a process group of its own, so that a signal reaches what the program forked.
    const child = spawn(program, args, { env: environment, stdio: ["ignore", log, log], detached: true });
    closeSync(log);
    this.#process = child;
    this.#ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => resolve(this.#exited(code, signal)));
      child.once("error", () => resolve(this.#exited(127, null)));
    });
    this.#state = "running";
    this.#startedMs = this.parts.clock.nowMs();
    this.#startProbe();
    this.#changed();
  }

  setReady(allowed: boolean): void {
    this.#allowed = allowed;
    this.#changed();
  }

  signal(signal: string): void {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new HawserError("pod-not-running", `Pod ${this.uid} has no running process`);
    process.kill(-pid, signal);
  }

  /**
   * Resolves when every process of the pod is gone. Its sandbox is the caller's to stop. What comes before SIGTERM counts
   * towards the grace period when the plan names it; `preStopSeconds` are a story's own and do not.
   */
  async terminate(graceSeconds: number | undefined, preStopSeconds: number): Promise<void> {
    this.#deletionTimestamp = new Date(this.parts.clock.nowMs()).toISOString();
    this.#state = "terminating";
    this.#changed();
    if (preStopSeconds > 0) await this.#wait(preStopSeconds);
    const grace = graceSeconds ?? this.parts.plan.graceSeconds;
    if (grace > 0) await this.#endInOrder(grace);
    this.#signalIfRunning("SIGKILL");
    await this.#ended;
    this.#probe?.stop();
  }

  async #endInOrder(graceSeconds: number): Promise<void> {
    const graceOver = this.#wait(graceSeconds);
    await Promise.race([this.#preStop(), this.#ended, graceOver]);
    this.#signalIfRunning("SIGTERM");
    await Promise.race([this.#ended, graceOver]);
  }

  async #preStop(): Promise<void> {
    const { plan, ips, sandbox, statsFile } = this.parts;
    if (plan.preStop === undefined) return;
    if ("seconds" in plan.preStop) return this.#wait(plan.preStop.seconds);
    const { environment } = plan.program(ips, statsFile);
    const [program = "", ...args] = enterSandboxCommand(sandbox.pid, plan.preStop.argv);
    const child = spawn(program, args, { env: environment, stdio: "ignore" });
    await new Promise<void>((resolve) => child.once("close", () => resolve()).once("error", () => resolve()));
  }

  #startProbe(): void {
    const { startup } = this.parts.plan;
    if (startup === undefined) return this.#probeReadiness();
    const probe = this.#newProbe(startup, (answered) => {
      if (!answered) return;
      probe.stop();
      this.#probeReadiness();
    });
    probe.start();
  }

  #probeReadiness(): void {
    const { readiness } = this.parts.plan;
    if (readiness === undefined) this.#probeResult(true);
    else this.#newProbe(readiness, (answered) => this.#probeResult(answered)).start();
  }

  #newProbe(settings: PodProbe, onResult: (answered: boolean) => void): ReadinessProbe {
    const { node, sandbox, ips, sockets, clock } = this.parts;
    const pod = { sandbox, nodePid: node.sandbox.pid, ip: ips[0] ?? "" };
    this.#probe = new ReadinessProbe({
      answers: () => probeAnswer(sockets, pod, settings.action, clock),
      firstPeriodMs: "argv" in settings.action ? FIRST_EXEC_PERIOD_MS : FIRST_PERIOD_MS,
      periodMs: settings.periodSeconds * 1000,
      failureThreshold: settings.failureThreshold,
      clock,
      onResult,
    });
    return this.#probe;
  }

  #probeResult(answered: boolean): void {
    if (this.#probed === answered) return;
    this.#probed = answered;
    this.#changed();
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    this.#signalIfRunning("SIGKILL");
    this.#process = undefined;
    this.#probe?.stop();
    this.#probed = false;
    if (this.terminating) return;
    if (code !== 0) this.#reason = signal === null ? `exited with ${code}` : `killed by ${signal}`;
    if (this.parts.plan.restarts) this.#startAgain();
    else this.#state = code === 0 ? "succeeded" : "failed";
    this.#changed();
  }

  #startAgain(): void {
    const steady = this.parts.clock.nowMs() - this.#startedMs > STEADY_MS;
    this.#quickRestarts = steady ? 0 : this.#quickRestarts + 1;
    const delayMs = RESTART_DELAYS_MS[Math.min(this.#quickRestarts, RESTART_DELAYS_MS.length) - 1] ?? 0;
    this.parts.clock.after(delayMs, () => {
      if (this.terminating) return;
      this.#restarts += 1;
      this.start();
    });
  }

  #signalIfRunning(signal: NodeJS.Signals): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // The whole group is gone already.
    }
  }

  #wait(seconds: number): Promise<void> {
    return new Promise((resolve) => void this.parts.clock.after(seconds * 1000, resolve));
  }

  #changed(): void {
    this.parts.onChange(this);
  }
}

export function podIdentity(
  pod: LabPod,
): Pick<LabPodStatus, "uid" | "namespace" | "name" | "workload" | "node" | "labels"> {
  const { name, namespace = "default", labels = {} } = pod.metadata;
  const workload = labels["app"] ?? name;
  return { uid: `${namespace}/${name}`, namespace, name, workload, node: pod.spec.nodeName, labels };
}
