/**
 * The cluster inside a lab: nodes, Services and pods, with or without the mesh. Composes what the other files of this
 * directory do, in the order in which a cluster comes up:
 *
 *   namespaces and network -> kube-proxy -> controller -> agents (guard rules) -> pods -> everything ready
 */
import path from "node:path";
import type { Clock } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import type { EncryptionMode } from "../../protocol/table.ts";
import type { LabPod, LabPodStatus, LabSettings, LabStatus } from "../lab-status.ts";
import { awaitPods } from "./await-pods.ts";
import { parseClusterDocuments } from "./cluster-file.ts";
import type { ClusterDocuments, LabService } from "./cluster-file.ts";
import { ClusterNetwork } from "./cluster-network.ts";
import { DocumentsDirectory } from "./documents-directory.ts";
import { fabricAddresses } from "./fabric.ts";
import type { NamedService } from "./hosts-file.ts";
import type { ServiceBackends } from "./kube-proxy-rules.ts";
import { endpointPods, Kubelet } from "./kubelet.ts";
import type { LabCluster } from "./lab-cluster.ts";
import { MeshProcesses } from "./mesh-processes.ts";
import { NamespaceSockets } from "./namespace-socket.ts";
import type { RunningPod } from "./pod.ts";
import type { Sandbox } from "./sandbox.ts";
import { withEncryption } from "./with-encryption.ts";

export interface ClusterSettings {
  readonly lab: LabSettings;
  readonly projectRoot: string;
  readonly text: string;
  readonly clock: Clock;
  readonly onProgress: (detail: string) => void;
}

/** A machine that needs longer than this for any one step has a problem worth reporting. */
const STEP_TIMEOUT_MS = 20_000;

export class Cluster implements LabCluster {
  readonly sockets = new NamespaceSockets();
  readonly network: ClusterNetwork;
  readonly documents: DocumentsDirectory;
  readonly #settings: ClusterSettings;
  readonly #initial: ClusterDocuments;
  readonly #kubelet: Kubelet;
  /** Services by the file that holds them. */
  readonly #services = new Map<string, readonly LabService[]>();
  #mesh: MeshProcesses | undefined;
  #syncing: Promise<void> | undefined;
  #readySeconds: number | undefined;
  #detail = "starting";

  constructor(settings: ClusterSettings) {
    const { stateDir, file } = settings.lab;
    this.#settings = settings;
    this.#initial = parseClusterDocuments(settings.text, path.basename(file));
    this.network = new ClusterNetwork(settings);
    this.documents = new DocumentsDirectory(stateDir);
    this.#kubelet = new Kubelet({
      stateDir,
      projectRoot: settings.projectRoot,
      nodes: this.network.nodes,
      registry: {
        changed: (pod) => this.documents.write(podFile(pod), [pod.document]),
        removed: (pod) => this.documents.remove(podFile(pod)),
      },
      sockets: this.sockets,
      clock: settings.clock,
      namedServices: () => this.#namedServices(),
      onChange: () => this.#changed(),
    });
  }

  async start(): Promise<void> {
    const { lab } = this.#settings;
    this.#progress("building the network");
    await this.network.start(this.#initial.nodes);
    this.#writeInitialDocuments();
    const created = await Promise.all(this.#initial.pods.map((pod) => this.#kubelet.create(pod)));
    const pods = created.filter((pod) => pod !== undefined);
    await this.#synced();
    if (lab.mesh) await this.#startMesh();
    this.#progress("starting pods");
    for (const pod of pods) pod.start();
    await awaitPods(pods, STEP_TIMEOUT_MS, this.#settings.clock);
    if (lab.mesh) {
      this.#progress("waiting for the agents");
      await this.mesh.agentsReady(STEP_TIMEOUT_MS);
    }
    await this.#synced();
    this.#readySeconds = (this.#settings.clock.nowMs() - lab.startedAtMs) / 1000;
    this.#progress("ready");
  }

  async status(): Promise<LabStatus> {
    const { lab } = this.#settings;
    const controller = await this.#mesh?.controllerStatus();
    return {
      name: lab.name,
      stateDir: lab.stateDir,
      mesh: lab.mesh,
      ...(lab.mesh ? { encryption: this.#encryption() } : {}),
      phase: this.#readySeconds === undefined ? "starting" : "ready",
      detail: this.#detail,
      ...(this.#readySeconds === undefined ? {} : { readySeconds: this.#readySeconds }),
      nodes: this.network.nodeStatuses,
      services: this.#allServices().map(({ key, clusterIps, ports }) => ({ key, clusterIps, ports })),
      pods: this.#kubelet.statuses,
      agents: (await this.#mesh?.agentStatuses()) ?? [],
      ...(controller === undefined ? {} : { controller }),
    };
  }

  get mesh(): MeshProcesses {
    if (this.#mesh !== undefined) return this.#mesh;
    throw new HawserError("no-mesh", "This lab was started without the mesh");
  }

  get apiServer(): never {
    throw new HawserError("no-api-server", "This lab has no API server: start it with --kubernetes");
  }

  pod(name: string): RunningPod {
    return this.#kubelet.get(name);
  }

  /** A node, or else a pod. */
  sandbox(target: string): Sandbox {
    return this.network.nodes.get(target)?.sandbox ?? this.#kubelet.get(target).parts.sandbox;
  }

  async addPod(document: LabPod): Promise<LabPodStatus> {
    const pod = await this.#kubelet.create(document);
    if (pod === undefined) throw new HawserError("pod-skipped", "A program that the pod requires is not installed");
    pod.start();
    await this.#synced();
    return pod.status;
  }

  async removePod(name: string, graceSeconds: number | undefined, preStopSeconds: number): Promise<void> {
    await this.#kubelet.remove(name, graceSeconds, preStopSeconds);
    await this.#synced();
  }

  async setPodReady(name: string, ready: boolean): Promise<void> {
    this.#kubelet.get(name).setReady(ready);
    await this.#synced();
  }

  /** The text goes to the controller as it is; its Services count here only if it can be read. */
  async applyDocuments(file: string, text: string): Promise<void> {
    this.documents.writeText(file, text);
    try {
      this.#services.set(file, parseClusterDocuments(text, file).services);
    } catch {
      // The controller must be the one to refuse it; kube-proxy stays with what it had.
    }
    await this.#servicesChanged();
  }

  async removeDocuments(file: string): Promise<void> {
    this.documents.remove(file);
    this.#services.delete(file);
    await this.#servicesChanged();
  }

  /** Kinds go to files of their own, so that a test can replace one of them. */
  #writeInitialDocuments(): void {
    const { lab } = this.#settings;
    const ofKinds = (kinds: readonly string[]): readonly object[] =>
      this.#initial.others.filter((document) => kinds.includes(String(document["kind"])));
    const rest = this.#initial.others.filter((document) => !["Node", "Service"].includes(String(document["kind"])));
    this.documents.write("nodes.yaml", ofKinds(["Node"]));
    this.documents.write("services.yaml", ofKinds(["Service"]));
    this.documents.write(
      "mesh.yaml",
      rest.map((document) => withEncryption(document, lab.encryption)),
    );
    this.#services.set("services.yaml", this.#initial.services);
  }

  async #startMesh(): Promise<void> {
    const { lab, clock } = this.#settings;
    this.#mesh = new MeshProcesses({
      lab,
      documentsDir: this.documents.path,
      nodes: this.network.nodes,
      fabricAddresses: fabricAddresses(this.#initial.nodes),
      encryption: this.#encryption(),
      sockets: this.sockets,
      clock,
    });
    this.#progress("starting the controller");
    this.#mesh.startController();
    await this.#mesh.controllerReady(STEP_TIMEOUT_MS);
    this.#progress("starting the agents");
    for (const node of lab.agentNodes ?? this.network.nodes.keys()) this.#mesh.startAgent(node);
    // In permissive mode nothing has to be held back until there is a table.
    if (this.#encryption() === "strict") await this.#mesh.agentsGuard(STEP_TIMEOUT_MS);
  }

  #encryption(): EncryptionMode {
    const mesh = this.#initial.others.find((document) => document["kind"] === "Mesh");
    const spec = mesh?.["spec"] as { encryption?: EncryptionMode } | undefined;
    return this.#settings.lab.encryption ?? spec?.encryption ?? "strict";
  }

  #allServices(): readonly LabService[] {
    return [...this.#services.values()].flat();
  }

  #namedServices(): readonly NamedService[] {
    return this.#allServices().map((service) => ({
      service,
      endpointIps: service.clusterIps.length > 0 ? [] : this.#endpoints(service).flatMap((pod) => pod.parts.ips),
    }));
  }

  #endpoints(service: LabService): readonly RunningPod[] {
    return endpointPods(service, this.#kubelet.pods);
  }

  async #servicesChanged(): Promise<void> {
    this.#changed();
    await this.#synced();
  }

  /** Several changes in one turn of the event loop are written once. */
  #changed(): void {
    this.#syncing ??= new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        this.#syncing = undefined;
        this.#kubelet.refreshHosts();
        const backends = this.#allServices().flatMap((service) => this.#backends(service));
        this.network.proxy(backends).then(() => resolve(), reject);
      });
    });
    this.#syncing.catch((error: unknown) => console.error("kube-proxy:", error));
  }

  /** Resolves when all that has changed so far is in force on every node. */
  async #synced(): Promise<void> {
    this.#changed();
    await this.#syncing;
  }

  #backends(service: LabService): readonly ServiceBackends[] {
    const pods = this.#endpoints(service);
    return service.ports.map((port) => ({
      service,
      port,
      endpoints: pods.flatMap((pod) => {
        const target = targetPort(pod.parts.pod, port.targetPort);
        return target === undefined ? [] : pod.parts.ips.map((ip) => ({ ip, port: target }));
      }),
    }));
  }

  #progress(detail: string): void {
    this.#detail = detail;
    this.#settings.onProgress(detail);
  }
}

function podFile(pod: RunningPod): string {
  return `pod.${pod.uid.replace("/", ".")}.yaml`;
}

function targetPort(pod: LabPod, wanted: number | string): number | undefined {
  if (typeof wanted === "number") return wanted;
  const ports = pod.spec.containers.flatMap((container) => container.ports ?? []);
  return ports.find((port) => port.name === wanted)?.containerPort;
}
