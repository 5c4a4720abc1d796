/**
 * The cluster of a lab on a real API server: what documents and the lab's own processes are in lab/cluster/cluster.ts, are
 * objects here. Real are etcd, the API server, and whatever else of a control plane is installed; played are the kubelets,
 * kube-proxy, DNS, and what is missing.
 *
 *   network -> API server -> Nodes, Services -> controllers -> manifests of daemonset/ -> mesh ready -> pods -> ready
 */
import path from "node:path";
import { HawserError } from "../../core/errors.ts";
import type { HttpKubeClient } from "../../kubernetes/http-kube-client.ts";
import { openKubeClient } from "../../kubernetes/open-kube-client.ts";
import type { EncryptionMode } from "../../protocol/table.ts";
import { awaitPods } from "../cluster/await-pods.ts";
import type { ClusterSettings } from "../cluster/cluster.ts";
import { parseClusterDocuments } from "../cluster/cluster-file.ts";
import type { ClusterDocuments } from "../cluster/cluster-file.ts";
import { ClusterNetwork } from "../cluster/cluster-network.ts";
import { fabricAddresses } from "../cluster/fabric.ts";
import { Kubelet, skippedStatus } from "../cluster/kubelet.ts";
import type { LabCluster } from "../cluster/lab-cluster.ts";
import { NamespaceSockets } from "../cluster/namespace-socket.ts";
import type { RunningPod } from "../cluster/pod.ts";
import type { Sandbox } from "../cluster/sandbox.ts";
import type { LabPod, LabPodStatus, LabStatus } from "../lab-status.ts";
import { ApiKubelet } from "./api-kubelet.ts";
import { namespaceOf } from "./api-objects.ts";
import { ApiServices } from "./api-services.ts";
import { API_PORT, ControlPlane } from "./control-plane.ts";
import type { PodObject } from "./kube-objects.ts";
import { runKubectl } from "./kubectl.ts";
import type { KubectlSettings } from "./kubectl.ts";
import type { KubernetesAssets } from "./kubernetes-assets.ts";
import { meshDocumentsPatch } from "./mesh-documents.ts";
import { MESH_NAMESPACE, MeshPods } from "./mesh-pods.ts";
import { newMirror } from "./mirror.ts";
import type { Mirror } from "./mirror.ts";
import { ObjectRegistrar } from "./object-registrar.ts";
import { PlayedControllers } from "./played/played-controllers.ts";
import { PlayedScheduler } from "./played/played-scheduler.ts";

/** A machine that needs longer than this for any one step has a problem worth reporting. */
const STEP_TIMEOUT_MS = 30_000;
const POLL_MS = 20;
const MANIFESTS = "daemonset";

export class KubernetesCluster implements LabCluster {
  readonly sockets = new NamespaceSockets();
  readonly network: ClusterNetwork;
  readonly apiServer: ControlPlane;
  readonly #settings: ClusterSettings;
  readonly #assets: KubernetesAssets;
  readonly #initial: ClusterDocuments;
  readonly #skipped: readonly LabPodStatus[];
  #client: HttpKubeClient | undefined;
  #kubelet: Kubelet | undefined;
  #pods: Mirror<PodObject> | undefined;
  #registrar: ObjectRegistrar | undefined;
  #services: ApiServices | undefined;
  #meshPods: MeshPods | undefined;
  #readySeconds: number | undefined;
  #detail = "starting";

  constructor(settings: ClusterSettings, assets: KubernetesAssets) {
    const { stateDir, file } = settings.lab;
    this.#settings = settings;
    this.#assets = assets;
    this.#initial = parseClusterDocuments(settings.text, path.basename(file));
    this.network = new ClusterNetwork({ ...settings, otherTlsPorts: [API_PORT] });
    const addresses = fabricAddresses(this.#initial.nodes);
    this.apiServer = new ControlPlane({ assets, stateDir, fabricAddresses: addresses, clock: settings.clock });
    this.#skipped = this.#initial.pods.map(skippedStatus).filter((status) => status !== undefined);
  }

  async start(): Promise<void> {
    const { lab, clock } = this.#settings;
    this.#progress("building the network");
    await this.network.start(this.#initial.nodes);
    this.#progress("starting the API server");
    await this.apiServer.start();
    this.#client = await openKubeClient({ kubeconfig: this.apiServer.access.kubeconfig, environment: {} });
    this.apiServer.startControllers();
    this.#progress("registering nodes and Services");
    this.#registrar = new ObjectRegistrar(this.#client, clock);
    await this.#registrar.register(this.#initial);
    await this.#startKubelets();
    this.#meshPods = new MeshPods({
      pods: () => this.kubelet.pods,
      sockets: this.sockets,
      clock,
      nodeCount: this.#initial.nodes.length,
    });
    if (lab.mesh) await this.#applyManifests();
    this.#progress("starting pods");
    const pods = await this.#createPods();
    await awaitPods(pods, STEP_TIMEOUT_MS, clock);
    const current = (): true | undefined => this.#services?.areCurrent(this.kubelet.pods) === true || undefined;
    await this.#until("the Services to have their pods", current);
    this.#readySeconds = (clock.nowMs() - lab.startedAtMs) / 1000;
    this.#progress("ready");
  }

  async status(): Promise<LabStatus> {
    const { lab } = this.#settings;
    const controller = await this.#meshPods?.controllerStatus();
    return {
      name: lab.name,
      stateDir: lab.stateDir,
      mesh: lab.mesh,
      kubernetes: this.#kubectl,
      ...(lab.mesh ? { encryption: this.#encryption() } : {}),
      phase: this.#readySeconds === undefined ? "starting" : "ready",
      detail: this.#detail,
      ...(this.#readySeconds === undefined ? {} : { readySeconds: this.#readySeconds }),
      nodes: this.network.nodeStatuses,
      services: (this.#services?.view.services ?? []).map(({ key, clusterIps, ports }) => ({ key, clusterIps, ports })),
      pods: [...(this.#kubelet?.statuses ?? []), ...this.#skipped],
      agents: (await this.#meshPods?.agentStatuses()) ?? [],
      ...(controller === undefined ? {} : { controller }),
    };
  }

  get mesh(): MeshPods {
    if (this.#meshPods !== undefined) return this.#meshPods;
    throw new HawserError("no-mesh", "The lab is still starting");
  }

  get client(): HttpKubeClient {
    if (this.#client !== undefined) return this.#client;
    throw new HawserError("no-api-server", "The API server is still starting");
  }

  get kubelet(): Kubelet {
    if (this.#kubelet !== undefined) return this.#kubelet;
    throw new HawserError("no-kubelet", "The lab is still starting");
  }

  pod(name: string): RunningPod {
    return this.kubelet.get(name);
  }

  sandbox(target: string): Sandbox {
    return this.network.nodes.get(target)?.sandbox ?? this.kubelet.get(target).parts.sandbox;
  }

  /** Resolves when its process has been started. */
  async addPod(document: LabPod): Promise<LabPodStatus> {
    const { namespace = "default", name } = document.metadata;
    await this.#registrar?.createPod(document);
    const pod = await this.#until(`pod ${name} to run`, () => {
      const found = this.kubelet.find(`${namespace}/${name}`);
      return found?.life.startedMs === 0 ? undefined : found;
    });
    return pod.status;
  }

  /** Resolves when its object and its processes are gone. A wait before SIGTERM is the manifest's to say here. */
  async removePod(name: string, graceSeconds: number | undefined): Promise<void> {
    const { uid } = this.kubelet.get(name);
    const [namespace, podName] = uid.split("/");
    await this.client.delete(`/api/v1/namespaces/${namespace}/pods/${podName}`, { gracePeriodSeconds: graceSeconds });
    await this.#until(`pod ${uid} to be gone`, () => {
      const isGone = this.#pods?.get(uid) === undefined && this.kubelet.find(uid) === undefined;
      return isGone || undefined;
    });
  }

  async setPodReady(name: string, ready: boolean): Promise<void> {
    this.kubelet.get(name).setReady(ready);
  }

  applyDocuments(): Promise<void> {
    throw new HawserError("kubernetes", "There are no files of documents here: use kubectl");
  }

  removeDocuments(): Promise<void> {
    return this.applyDocuments();
  }

  async #startKubelets(): Promise<void> {
    const { lab, clock, projectRoot } = this.#settings;
    const { client } = this;
    const driver = new ApiKubelet({
      client,
      clock,
      stateDir: lab.stateDir,
      projectRoot,
      nodes: this.network.nodes,
      apiService: this.apiServer.service,
      kubelet: () => this.kubelet,
      current: (key) => this.#pods?.get(key),
    });
    this.#kubelet = new Kubelet({
      stateDir: lab.stateDir,
      projectRoot,
      nodes: this.network.nodes,
      registry: driver,
      sockets: this.sockets,
      clock,
      namedServices: () => this.#services?.view.named ?? [],
      onChange: () => {},
    });
    const players = this.#players();
    this.#services = new ApiServices({
      client,
      clock,
      proxy: (backends) => this.network.proxy(backends),
      refreshNames: () => this.kubelet.refreshHosts(),
      onChange: () => players.controllers?.changed(),
    });
    await this.#services.start();
    const podChanged = (key: string, pod: PodObject | undefined): void => {
      driver.podChanged(key);
      players.controllers?.changed();
      players.scheduler?.podChanged(pod);
    };
    this.#pods = newMirror({ client, clock, path: "/api/v1/pods", onChange: podChanged });
    this.#pods.start();
    await this.#pods.synced;
    await players.controllers?.start();
  }

  /** Whoever is not installed. */
  #players(): { readonly controllers?: PlayedControllers; readonly scheduler?: PlayedScheduler } {
    const { client } = this;
    const nodeNames = this.#initial.nodes.map((node) => node.name);
    const played = new PlayedControllers({
      client,
      clock: this.#settings.clock,
      rootPem: this.apiServer.access.rootPem,
      nodeNames,
      pods: () => [...(this.#pods?.values() ?? [])],
      services: () => this.#services?.services ?? [],
      slices: () => this.#services?.slices ?? [],
    });
    return {
      ...(this.#assets.kubeControllerManager === undefined ? { controllers: played } : {}),
      ...(this.#assets.kubeScheduler === undefined ? { scheduler: new PlayedScheduler(client, nodeNames) } : {}),
    };
  }

  async #applyManifests(): Promise<void> {
    this.#progress("applying the manifests");
    const directory = path.join(this.#settings.projectRoot, MANIFESTS);
    await runKubectl(this.#kubectl, ["apply", "-f", directory]);
    const patch = meshDocumentsPatch(this.#initial.others, this.#settings.lab.encryption);
    const configMap = `/api/v1/namespaces/${MESH_NAMESPACE}/configmaps/hawser`;
    await this.client.patch(configMap, "application/merge-patch+json", patch);
    this.#progress("waiting for the mesh");
    await this.mesh.ready(STEP_TIMEOUT_MS);
  }

  /** Those whose programs are installed. Resolves when the kubelets have started them. */
  async #createPods(): Promise<readonly RunningPod[]> {
    const pods = this.#initial.pods.filter((pod) => skippedStatus(pod) === undefined);
    await Promise.all(pods.map((pod) => this.#registrar?.createPod(pod)));
    return Promise.all(
      pods.map((pod) => {
        const key = `${namespaceOf(pod)}/${pod.metadata.name}`;
        return this.#until(`pod ${key} to be started`, () => {
          const found = this.kubelet.find(key);
          return found?.status.state === "pending" ? undefined : found;
        });
      }),
    );
  }

  get #kubectl(): KubectlSettings {
    const { stateDir } = this.#settings.lab;
    return {
      program: this.#assets.kubectl,
      kubeconfig: this.apiServer.access.kubeconfig,
      home: path.join(stateDir, "kubernetes"),
    };
  }

  #encryption(): EncryptionMode {
    const mesh = this.#initial.others.find((document) => document["kind"] === "Mesh");
    const spec = mesh?.["spec"] as { encryption?: EncryptionMode } | undefined;
    return this.#settings.lab.encryption ?? spec?.encryption ?? "strict";
  }

  async #until<T>(what: string, look: () => T | undefined): Promise<T> {
    const { clock } = this.#settings;
    const deadlineMs = clock.monotonicMs() + STEP_TIMEOUT_MS;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (clock.monotonicMs() > deadlineMs) {
        throw new HawserError("lab-failed", `Waited ${STEP_TIMEOUT_MS / 1000} s for ${what}`);
      }
      await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve));
    }
  }

  #progress(detail: string): void {
    this.#detail = detail;
    this.#settings.onProgress(detail);
  }
}
