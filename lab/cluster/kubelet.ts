/**
 * The kubelets of all nodes: creates pods, removes them, tells the registry what becomes of them, and keeps their hosts
 * files up to date.
 *
 * Where pods are registered is a parameter: a directory of documents, or an API server (lab/kubernetes).
 */
import { accessSync, constants, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Clock } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import type { LabPod, LabPodStatus } from "../lab-status.ts";
import type { LabService } from "./cluster-file.ts";
import { hostsFile } from "./hosts-file.ts";
import type { NamedService } from "./hosts-file.ts";
import type { NamespaceSockets } from "./namespace-socket.ts";
import { QUICK_IPV6_SYSCTLS } from "./node.ts";
import type { ClusterNode } from "./node.ts";
import { podIdentity, RunningPod } from "./pod.ts";
import { documentPlan } from "./pod-plan.ts";
import type { PodPlan } from "./pod-plan.ts";
import { Sandbox } from "./sandbox.ts";

/** Where others read what became of a pod. Told in order, and before whoever waits for the change goes on. */
export interface PodRegistry {
  changed(pod: RunningPod): void;
  removed(pod: RunningPod): void;
}

export interface KubeletSettings {
  readonly stateDir: string;
  readonly projectRoot: string;
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  readonly registry: PodRegistry;
  readonly sockets: NamespaceSockets;
  readonly clock: Clock;
  /** The current Services with what is behind them, for name resolution. */
  readonly namedServices: () => readonly NamedService[];
  /** Some pod's addresses, readiness or deletion changed. */
  readonly onChange: () => void;
}

const REQUIRES = "lab.hawser.dev/requires";
const PROGRAM_DIRECTORIES = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

export class Kubelet {
  readonly #settings: KubeletSettings;
  readonly #pods = new Map<string, RunningPod>();
  readonly #skipped: LabPodStatus[] = [];
  readonly #hosts = new Map<string, string>();
  #created = 0;

  constructor(settings: KubeletSettings) {
    this.#settings = settings;
    for (const directory of ["hosts", "stats", "logs/pods"]) {
      mkdirSync(path.join(settings.stateDir, directory), { recursive: true });
    }
    writeFileSync(this.#resolvConf, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
  }

  get pods(): readonly RunningPod[] {
    return [...this.#pods.values()];
  }

  get statuses(): readonly LabPodStatus[] {
    return [...this.pods.map((pod) => pod.status), ...this.#skipped];
  }

  /** By `namespace/name`, or by name when only one namespace has it. */
  find(name: string): RunningPod | undefined {
    const exact = this.#pods.get(name);
    if (exact !== undefined) return exact;
    const matches = this.pods.filter((pod) => pod.parts.pod.metadata.name === name);
    if (matches.length < 2) return matches[0];
    throw new HawserError(
      "ambiguous-pod",
      `Several pods are named ${name}: ${matches.map((pod) => pod.uid).join(", ")}`,
    );
  }

  get(name: string): RunningPod {
    const pod = this.find(name);
    if (pod !== undefined) return pod;
    throw new HawserError("no-pod", `There is no pod ${name}`);
  }

  /** Makes the pod's namespaces and registers it, without starting its process. Undefined: skipped. */
  async create(
    pod: LabPod,
    plan: PodPlan = documentPlan(pod, this.#settings.projectRoot),
  ): Promise<RunningPod | undefined> {
    const { uid } = podIdentity(pod);
    const skipped = skippedStatus(pod);
    if (skipped !== undefined) {
      this.#skipped.push(skipped);
      return undefined;
    }
    if (this.#pods.has(uid)) throw new HawserError("pod-exists", `Pod ${uid} exists already`);
    const running = await this.#assemble(pod, plan, uid);
    this.#pods.set(uid, running);
    this.#noteChange(running);
    return running;
  }

  async remove(name: string, graceSeconds: number | undefined, preStopSeconds: number): Promise<void> {
    const pod = this.get(name);
    const { node, sandbox, ips } = pod.parts;
    await pod.terminate(graceSeconds, preStopSeconds);
    sandbox.stop();
    this.#pods.delete(pod.uid);
    this.#hosts.delete(pod.uid);
    rmSync(this.#hostsPath(pod.uid), { force: true });
    this.#settings.registry.removed(pod);
    if (pod.parts.pod.spec.hostNetwork !== true) node.addresses.release(ips);
    this.#settings.onChange();
  }

  /** After the Services, or what is behind a headless one, changed. */
  refreshHosts(): void {
    for (const pod of this.pods) this.#writeHosts(pod.parts.pod, pod.uid, pod.parts.ips);
  }

  async #assemble(pod: LabPod, plan: PodPlan, uid: string): Promise<RunningPod> {
    const { stateDir, projectRoot, nodes, sockets, clock } = this.#settings;
    const node = nodes.get(pod.spec.nodeName);
    if (node === undefined)
      throw new HawserError("no-node", `Pod ${uid} wants node ${pod.spec.nodeName}, which is not there`);
    const onHost = pod.spec.hostNetwork === true;
    const ips = onHost ? node.entry.addresses : podIps(pod, node);
    this.#writeHosts(pod, uid, ips);
    const sandbox = await Sandbox.start({
      hostname: pod.metadata.name,
      stateDir,
      projectRoot,
      privateDirectories: ["/run", "/tmp"],
      sysctls: onHost ? {} : QUICK_IPV6_SYSCTLS,
      files: { "/etc/hosts": this.#hostsPath(uid), "/etc/resolv.conf": this.#resolvConf },
      mounts: plan.mounts,
      ...(onHost ? { networkOf: node.sandbox.pid } : {}),
    });
    this.#created += 1;
    if (!onHost) await node.attachPod(sandbox, ips, `pod${this.#created}`);
    const logFile = path.join(stateDir, "logs/pods", `${uid.replace("/", ".")}.log`);
    const statsFile = path.join(stateDir, "stats", `${uid.replace("/", ".")}.json`);
    const onChange = (changed: RunningPod): void => this.#noteChange(changed);
    return new RunningPod({ pod, plan, node, sandbox, ips, logFile, statsFile, sockets, clock, onChange });
  }

  #noteChange(pod: RunningPod): void {
    if (this.#pods.get(pod.uid) !== pod) return;
    this.#settings.registry.changed(pod);
    this.#settings.onChange();
  }

  /** In place: the file is bind-mounted into the pod, a renamed one would not be seen. */
  #writeHosts(pod: LabPod, uid: string, ips: readonly string[]): void {
    const { namespace } = podIdentity(pod);
    const text = hostsFile(namespace, pod.metadata.name, ips, this.#settings.namedServices());
    if (this.#hosts.get(uid) === text) return;
    this.#hosts.set(uid, text);
    writeFileSync(this.#hostsPath(uid), text);
  }

  #hostsPath(uid: string): string {
    return path.join(this.#settings.stateDir, "hosts", uid.replace("/", "."));
  }

  get #resolvConf(): string {
    return path.join(this.#settings.stateDir, "hosts/resolv.conf");
  }
}

/** Endpoints of a Service: running pods of its namespace with the selector's labels, ready ones if there are any. */
export function endpointPods(service: LabService, pods: readonly RunningPod[]): readonly RunningPod[] {
  const { selector } = service;
  if (selector === undefined) return [];
  const selected = pods.filter((pod) => pod.ready && pod.namespace === service.namespace && hasLabels(pod, selector));
  const serving = selected.filter((pod) => !pod.terminating);
  // kube-proxy's rule (KEP-1669): terminating endpoints that still serve are better than none.
  return serving.length > 0 ? serving : selected;
}

function hasLabels(pod: RunningPod, wanted: Readonly<Record<string, string>>): boolean {
  const labels = pod.parts.pod.metadata.labels ?? {};
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

function podIps(pod: LabPod, node: ClusterNode): readonly string[] {
  const given = pod.status?.podIPs?.map(({ ip }) => ip) ?? [];
  return given.length > 0 ? node.addresses.reserve(given) : node.addresses.take();
}

/** Of a pod whose program is not installed here; else undefined. */
export function skippedStatus(pod: LabPod): LabPodStatus | undefined {
  const missing = missingProgram(pod);
  if (missing === undefined) return undefined;
  return { ...podIdentity(pod), ips: [], state: "skipped", reason: `${missing} is not installed` };
}

function missingProgram(pod: LabPod): string | undefined {
  const program = pod.metadata.annotations?.[REQUIRES];
  if (program === undefined) return undefined;
  return PROGRAM_DIRECTORIES.some((directory) => isExecutable(path.join(directory, program))) ? undefined : program;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
