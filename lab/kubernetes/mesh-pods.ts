/**
 * The mesh of a lab with an API server: pods of the DaemonSet and the Deployment in daemonset/, started and restarted by
 * their controllers and the kubelet. What the lab knows of them it reads from their ports.
 */
import type { Clock } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import { CONTROLLER_ADMIN_PORT } from "../../protocol/ports.ts";
import type { MeshControl } from "../cluster/lab-cluster.ts";
import { namespaceHttpGet } from "../cluster/namespace-http.ts";
import type { NamespaceSockets } from "../cluster/namespace-socket.ts";
import type { RunningPod } from "../cluster/pod.ts";
import { processUsage } from "../cluster/process-usage.ts";
import type { LabAgentStatus, LabControllerStatus, LabHttpAnswer } from "../lab-status.ts";

export interface MeshPodsSettings {
  readonly pods: () => readonly RunningPod[];
  readonly sockets: NamespaceSockets;
  readonly clock: Clock;
  /** Nodes that should have an agent. */
  readonly nodeCount: number;
}

/** What a controller's `/status` says, as far as the lab reads it. */
interface ControllerReport {
  readonly sequence?: number;
  readonly settled?: boolean;
  readonly agents?: readonly {
    readonly node: string;
    readonly instance?: string;
    readonly applied?: number;
    readonly ready?: boolean;
  }[];
}

type SeenAgent = NonNullable<ControllerReport["agents"]>[number] & { readonly upToDate: boolean };

export const MESH_NAMESPACE = "hawser-system";
const NAME_LABEL = "app.kubernetes.io/name";
const COMPONENT_LABEL = "app.kubernetes.io/component";
const POLL_MS = 100;

export class MeshPods implements MeshControl {
  readonly #settings: MeshPodsSettings;

  constructor(settings: MeshPodsSettings) {
    this.#settings = settings;
  }

  startAgent(): never {
    throw new HawserError("kubernetes", "Agents are pods here: the DaemonSet and the kubelet start them");
  }

  startController(): never {
    throw new HawserError("kubernetes", "Controllers are pods here: the Deployment and the kubelet start them");
  }

  signalAgent(node: string, instance: string | undefined, signal: string): void {
    const pods = this.#podsOf("agent").filter((pod) => pod.status.node === node);
    const pod = pods.find((one) => instance === undefined || one.status.name === instance);
    if (pod === undefined) throw new HawserError("no-agent", `No agent runs on ${node}`);
    pod.signal(signal);
  }

  /** To all of them. */
  signalController(signal: string): void {
    for (const pod of this.#podsOf("controller")) if (pod.life.running) pod.signal(signal);
  }

  /** Resolves when every node's agent is ready and has the latest table. */
  async ready(timeoutMs: number): Promise<void> {
    const { clock } = this.#settings;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    while (!(await this.#isReady())) {
      if (clock.monotonicMs() > deadlineMs) {
        const states = this.#allPods.map((pod) => `${pod.uid} ${pod.status.state}`).join(", ");
        throw new HawserError("lab-failed", `Waited ${timeoutMs / 1000} s for the mesh: ${states || "it has no pods"}`);
      }
      await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve));
    }
  }

  async #isReady(): Promise<boolean> {
    const pods = [...this.#podsOf("agent"), ...this.#podsOf("controller")];
    if (!pods.every((pod) => pod.ready)) return false;
    const agents = await this.agentStatuses();
    const current = agents.filter((agent) => agent.ready && agent.upToDate);
    return new Set(current.map(({ node }) => node)).size === this.#settings.nodeCount;
  }

  async agentStatuses(): Promise<readonly LabAgentStatus[]> {
    const seen = (await this.#reports()).flatMap(({ sequence, settled, agents = [] }) =>
      agents.map((agent) => ({ ...agent, upToDate: settled === true && agent.applied === sequence })),
    );
    const statuses = this.#podsOf("agent").map((pod) => this.#agentStatus(pod, seen));
    return statuses.toSorted((a, b) => a.node.localeCompare(b.node) || a.instance.localeCompare(b.instance));
  }

  /** Of the one that has the latest table; the others have the same or follow. */
  async controllerStatus(): Promise<LabControllerStatus | undefined> {
    const [pod] = this.#controllers();
    if (pod === undefined) return undefined;
    const sequences = (await this.#reports()).map((report) => report.sequence ?? 0);
    const pid = pod.status.pid ?? 0;
    return {
      pid,
      state: pod.life.running ? "running" : "exited",
      ...(sequences.length === 0 ? {} : { sequence: Math.max(...sequences) }),
      ...processUsage(pid),
    };
  }

  async controllerHttp(path: string): Promise<LabHttpAnswer> {
    const [pod] = this.#controllers();
    if (pod === undefined) throw new HawserError("no-controller", "No controller is running");
    return this.#get(pod, path);
  }

  get #allPods(): readonly RunningPod[] {
    return this.#settings.pods().filter((pod) => {
      return pod.namespace === MESH_NAMESPACE && pod.status.labels[NAME_LABEL] === "hawser";
    });
  }

  #podsOf(component: "agent" | "controller"): readonly RunningPod[] {
    return this.#allPods.filter((pod) => pod.status.labels[COMPONENT_LABEL] === component);
  }

  /** Ready ones first. */
  #controllers(): readonly RunningPod[] {
    return this.#podsOf("controller").toSorted((a, b) => Number(b.ready) - Number(a.ready));
  }

  async #reports(): Promise<readonly ControllerReport[]> {
    const running = this.#podsOf("controller").filter((pod) => pod.life.running);
    const answers = await Promise.all(running.map((pod) => this.#get(pod, "/status").catch(() => undefined)));
    return answers.flatMap((answer) => (answer?.status === 200 ? [JSON.parse(answer.body) as ControllerReport] : []));
  }

  #get(pod: RunningPod, path: string): Promise<LabHttpAnswer> {
    return namespaceHttpGet(this.#settings.sockets, pod.parts.sandbox.pid, CONTROLLER_ADMIN_PORT, path);
  }

  #agentStatus(pod: RunningPod, agents: readonly SeenAgent[]): LabAgentStatus {
    const { node, name, pid = 0 } = pod.status;
    // An agent calls itself `<pid>-<random>`.
    const seen = agents.find((one) => one.node === node && one.instance?.startsWith(`${pid}-`));
    return {
      node,
      instance: name,
      pid,
      state: pod.life.running ? "running" : "exited",
      ready: pod.life.running && seen?.ready === true,
      ...(seen?.applied === undefined ? {} : { appliedSequence: seen.applied }),
      upToDate: seen?.upToDate === true,
      ...processUsage(pid),
    };
  }
}
