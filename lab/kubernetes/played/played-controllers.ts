/**
 * Plays kube-controller-manager, as far as a lab needs it, where the real one is not installed: ServiceAccounts and the
 * root certificate of every namespace, EndpointSlices, pods of DaemonSets and Deployments.
 */
import { KubeError } from "../../../kubernetes/kube-client.ts";
import type { KubeClient, KubeObject } from "../../../kubernetes/kube-client.ts";
import type { Clock } from "../../../core/clock.ts";
import { keyOf } from "../kube-objects.ts";
import type { EndpointSliceObject, PodObject, ServiceObject } from "../kube-objects.ts";
import { newMirror } from "../mirror.ts";
import type { Mirror } from "../mirror.ts";
import { endpointSlicesOf } from "./endpoint-slices.ts";
import { isOwnedBy, workloadChanges } from "./workload-pods.ts";
import type { WorkloadObject } from "./workload-pods.ts";

export interface PlayedControllersSettings {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly rootPem: string;
  readonly nodeNames: readonly string[];
  readonly pods: () => readonly PodObject[];
  readonly services: () => readonly ServiceObject[];
  readonly slices: () => readonly EndpointSliceObject[];
}

/** After a conflict, or while the API server is away. */
const RETRY_MS = 200;
const SLICES = "discovery.k8s.io/v1";

export class PlayedControllers {
  readonly #settings: PlayedControllersSettings;
  readonly #namespaces: Mirror<KubeObject>;
  readonly #workloads: readonly Mirror<WorkloadObject>[];
  readonly #furnished = new Set<string>();
  #running = false;
  #again = false;

  constructor(settings: PlayedControllersSettings) {
    const { client, clock } = settings;
    const onChange = (): void => this.changed();
    const kinds = ["daemonsets", "deployments"];
    this.#settings = settings;
    this.#namespaces = newMirror({ client, clock, path: "/api/v1/namespaces", onChange });
    this.#workloads = kinds.map((kind) => newMirror({ client, clock, path: `/apis/apps/v1/${kind}`, onChange }));
  }

  async start(): Promise<void> {
    const mirrors = [this.#namespaces, ...this.#workloads];
    for (const mirror of mirrors) mirror.start();
    await Promise.all(mirrors.map((mirror) => mirror.synced));
  }

  /** Something that they look at is different. */
  changed(): void {
    this.#again = true;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#again) {
      this.#again = false;
      try {
        for (const namespace of [...this.#namespaces.values()]) await this.#furnish(namespace.metadata.name);
        for (const service of this.#settings.services()) await this.#writeSlices(service);
        for (const workload of this.#allWorkloads) await this.#writePods(workload);
        await this.#collectOrphans();
      } catch (error) {
        console.error("played controllers:", error);
        this.#again = true;
        await new Promise<void>((resolve) => void this.#settings.clock.after(RETRY_MS, resolve));
      }
    }
    this.#running = false;
  }

  get #allWorkloads(): readonly WorkloadObject[] {
    return this.#workloads.flatMap((mirror) => [...mirror.values()]);
  }

  async #furnish(namespace: string): Promise<void> {
    if (this.#furnished.has(namespace)) return;
    const base = `/api/v1/namespaces/${namespace}`;
    await this.#ensure(`${base}/serviceaccounts`, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "default" },
    });
    const data = { "ca.crt": this.#settings.rootPem };
    const metadata = { name: "kube-root-ca.crt" };
    await this.#ensure(`${base}/configmaps`, { apiVersion: "v1", kind: "ConfigMap", metadata, data });
    this.#furnished.add(namespace);
  }

  async #writeSlices(service: ServiceObject): Promise<void> {
    for (const wanted of endpointSlicesOf(service, this.#settings.pods())) {
      const current = this.#settings.slices().find((slice) => keyOf(slice) === keyOf(wanted));
      if (current !== undefined && sameEndpoints(current, wanted)) continue;
      const collection = `/apis/${SLICES}/namespaces/${wanted.metadata.namespace}/endpointslices`;
      if (current === undefined) await this.#ensure(collection, wanted);
      else await this.#settings.client.replace(`${collection}/${wanted.metadata.name}`, wanted);
    }
  }

  async #writePods(workload: WorkloadObject): Promise<void> {
    const { client, nodeNames } = this.#settings;
    const { namespace, name, generation } = workload.metadata;
    const pods = this.#settings.pods().filter((pod) => pod.metadata.namespace === namespace);
    const { create, remove, updated, ready } = workloadChanges(workload, pods, nodeNames);
    for (const pod of create) await this.#ensure(`/api/v1/namespaces/${namespace}/pods`, pod);
    for (const pod of remove) await this.#delete(`/api/v1/namespaces/${namespace}/pods/${pod}`);
    const isDaemonSet = workload.kind === "DaemonSet";
    const wanted = isDaemonSet ? nodeNames.length : (workload.spec.replicas ?? 1);
    const status = isDaemonSet
      ? {
          desiredNumberScheduled: wanted,
          currentNumberScheduled: wanted,
          numberMisscheduled: 0,
          numberReady: ready,
          numberAvailable: ready,
          updatedNumberScheduled: updated,
        }
      : { replicas: wanted, readyReplicas: ready, availableReplicas: ready, updatedReplicas: updated };
    const kind = isDaemonSet ? "daemonsets" : "deployments";
    const path = `/apis/apps/v1/namespaces/${namespace}/${kind}/${name}/status`;
    await client.patch(path, "application/merge-patch+json", { status: { ...status, observedGeneration: generation } });
  }

  /** Pods of a workload that has been deleted. */
  async #collectOrphans(): Promise<void> {
    const workloads = this.#allWorkloads;
    const orphans = this.#settings.pods().filter((pod) => {
      const owned = pod.metadata.ownerReferences?.some(({ kind }) => kind === "DaemonSet" || kind === "Deployment");
      return owned === true && !workloads.some((workload) => isOwnedBy(pod, workload));
    });
    for (const { metadata } of orphans) {
      if (metadata.deletionTimestamp !== undefined) continue;
      await this.#delete(`/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`);
    }
  }

  async #ensure(collection: string, object: object): Promise<void> {
    await this.#unless("AlreadyExists", this.#settings.client.create(collection, object));
  }

  async #delete(path: string): Promise<void> {
    await this.#unless("NotFound", this.#settings.client.delete(path));
  }

  async #unless(reason: string, done: Promise<unknown>): Promise<void> {
    try {
      await done;
    } catch (error) {
      if (!(error instanceof KubeError) || error.reason !== reason) throw error;
    }
  }
}

/** As far as they are written here: the API server adds fields of its own. */
function sameEndpoints(a: EndpointSliceObject, b: EndpointSliceObject): boolean {
  const told = ({ endpoints, ports }: EndpointSliceObject): string =>
    JSON.stringify([
      (endpoints ?? []).map(({ addresses, conditions }) => [
        addresses,
        conditions?.ready,
        conditions?.serving,
        conditions?.terminating,
      ]),
      (ports ?? []).map(({ name, port, protocol }) => [name ?? "", port, protocol]),
    ]);
  return told(a) === told(b);
}
