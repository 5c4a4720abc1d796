/**
 * One pod as the kubelet imitation runs it: sandbox, process, readiness, end.
 *
 *   pending ──start──> running <──probe──> ready          a process that ends by itself: succeeded | failed
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
import { podCommand, podEnvironment } from "./pod-environment.ts";
import { ReadinessProbe } from "./readiness-probe.ts";
import type { NamespaceSockets } from "./namespace-socket.ts";
import type { Sandbox } from "./sandbox.ts";

export interface PodParts {
  readonly pod: LabPod;
  readonly node: ClusterNode;
  readonly sandbox: Sandbox;
  readonly ips: readonly string[];
  readonly logFile: string;
  /** Where the demo shop's clients write what they measured. */
  readonly statsFile: string;
  readonly projectRoot: string;
  readonly sockets: NamespaceSockets;
  readonly clock: Clock;
  readonly onChange: (pod: RunningPod) => void;
}

/** Kubernetes' default is 30 s; programs here hold nothing worth waiting for. */
const DEFAULT_GRACE_SECONDS = 5;

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
    const { pod, ips, sandbox, projectRoot, logFile, statsFile } = this.parts;
    const environment = podEnvironment(pod, ips, projectRoot, statsFile);
    const [program = "", ...args] = enterSandboxCommand(sandbox.pid, podCommand(pod, environment));
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

  /** Resolves when every process of the pod is gone. Its sandbox is the caller's to stop. */
  async terminate(graceSeconds: number | undefined, preStopSeconds: number): Promise<void> {
    this.#deletionTimestamp = new Date(this.parts.clock.nowMs()).toISOString();
    this.#state = "terminating";
    this.#changed();
    const grace = graceSeconds ?? this.parts.pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    if (preStopSeconds > 0) await this.#wait(preStopSeconds);
    if (grace > 0) {
      this.#signalIfRunning("SIGTERM");
      await Promise.race([this.#ended, this.#wait(grace)]);
    }
    this.#signalIfRunning("SIGKILL");
    await this.#ended;
    this.#probe?.stop();
  }

  #startProbe(): void {
    const { pod, node, ips, sockets, clock } = this.parts;
    const port = pod.spec.containers[0]?.readinessProbe?.tcpSocket.port;
    if (port === undefined) {
      this.#probed = true;
      return;
    }
    const periodSeconds = pod.spec.containers[0]?.readinessProbe?.periodSeconds ?? 1;
    this.#probe = new ReadinessProbe({
      // The kubelet probes from the node's own network namespace.
      connect: () => sockets.connect(node.sandbox.pid, ips[0] ?? "", port),
      periodMs: periodSeconds * 1000,
      clock,
      onResult: (answered) => this.#probeResult(answered),
    });
    this.#probe.start();
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
    this.#state = code === 0 ? "succeeded" : "failed";
    if (code !== 0) this.#reason = signal === null ? `exited with ${code}` : `killed by ${signal}`;
    this.#changed();
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
