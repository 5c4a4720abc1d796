/**
 * Plays the kubelets of all nodes for an API server: what is bound to a node of the lab is run there, what becomes of it is
 * written to its status, and an object that is being deleted goes when its processes are gone.
 *
 *   bound ──volumes──> running ──(deletionTimestamp)──> preStop, SIGTERM, SIGKILL ──> DELETE with grace 0
 *
 * Each pod's changes are worked off one after the other; only the latest state of its object counts.
 */
import type { Clock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import { KubeError } from "../../kubernetes/kube-client.ts";
import type { KubeClient } from "../../kubernetes/kube-client.ts";
import type { Kubelet, PodRegistry } from "../cluster/kubelet.ts";
import type { ClusterNode } from "../cluster/node.ts";
import type { RunningPod } from "../cluster/pod.ts";
import { apiPodPlan, labPodOf } from "./api-pod-plan.ts";
import type { PlanSettings } from "./api-pod-plan.ts";
import type { PodObject } from "./kube-objects.ts";
import { cannotStartPatch, podStatusPatch } from "./pod-status.ts";
import { PodVolumes } from "./pod-volumes.ts";
import { StatusWriter } from "./status-writer.ts";

export interface ApiKubeletSettings {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly stateDir: string;
  readonly projectRoot: string;
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  readonly apiService: PlanSettings["apiService"];
  /** Does the work; made with this object as its registry. */
  readonly kubelet: () => Kubelet;
  /** The object as the API server has it now. */
  readonly current: (key: string) => PodObject | undefined;
}

interface Held {
  readonly object: PodObject;
  readonly volumes: PodVolumes;
  readySinceMs: number;
  ready: boolean;
}

/** What is mounted may not be there yet; the kubelet itself backs off to two minutes. */
const RETRY_MS = 250;

export class ApiKubelet implements PodRegistry {
  readonly #settings: ApiKubeletSettings;
  readonly #writer: StatusWriter;
  readonly #held = new Map<string, Held>();
  readonly #working = new Set<string>();
  readonly #again = new Set<string>();
  /** What was last told about a pod that cannot be started. */
  readonly #complaints = new Map<string, string>();

  constructor(settings: ApiKubeletSettings) {
    this.#settings = settings;
    this.#writer = new StatusWriter(settings.client, settings.clock);
  }

  /** Something about the pod has changed at the API server. */
  podChanged(key: string): void {
    if (this.#working.has(key)) this.#again.add(key);
    else void this.#work(key);
    const object = this.#settings.current(key);
    if (object === undefined || object.metadata.deletionGracePeriodSeconds === 0) this.#kill(key);
  }

  changed(pod: RunningPod): void {
    const held = this.#held.get(pod.uid);
    if (held === undefined) return;
    if (pod.ready !== held.ready) {
      held.ready = pod.ready;
      held.readySinceMs = this.#settings.clock.nowMs();
    }
    const { node, ips } = pod.parts;
    const { state, reason } = pod.status;
    this.#writer.write(
      pod.uid,
      podStatusPatch({ ...held, ...pod.life, ips, hostIps: node.entry.addresses, state, reason }),
    );
  }

  removed(pod: RunningPod): void {
    this.#held.get(pod.uid)?.volumes.remove();
    this.#held.delete(pod.uid);
  }

  async #work(key: string): Promise<void> {
    this.#working.add(key);
    do {
      this.#again.delete(key);
      try {
        await this.#reconcile(key);
      } catch (error) {
        this.#complain(key, error);
        await new Promise<void>((resolve) => void this.#settings.clock.after(RETRY_MS, resolve));
        this.#again.add(key);
      }
    } while (this.#again.has(key));
    this.#working.delete(key);
  }

  async #reconcile(key: string): Promise<void> {
    const object = this.#settings.current(key);
    const held = this.#held.get(key);
    if (held !== undefined && held.object.metadata.uid !== object?.metadata.uid) {
      await this.#settings.kubelet().remove(key, 0, 0);
    }
    const nodeName = object?.spec.nodeName ?? "";
    const node = this.#settings.nodes.get(nodeName);
    if (object === undefined || node === undefined) return;
    if (object.metadata.deletionTimestamp !== undefined) return this.#end(key, object);
    const over = object.status?.phase === "Succeeded" || object.status?.phase === "Failed";
    if (!this.#held.has(key) && !over) await this.#begin(key, object, node);
  }

  async #begin(key: string, object: PodObject, node: ClusterNode): Promise<void> {
    const { client, clock, stateDir, projectRoot, apiService } = this.#settings;
    const place = { nodeName: node.name, hostIps: node.entry.addresses };
    const volumes = new PodVolumes({ client, clock, stateDir, pod: object, place });
    try {
      const mounts = await volumes.prepare();
      const plan = await apiPodPlan(object, { client, stateDir, projectRoot, place, mounts, apiService });
      this.#held.set(key, { object, volumes, ready: false, readySinceMs: clock.nowMs() });
      const running = await this.#settings.kubelet().create(labPodOf(object, node.name), plan);
      this.#complaints.delete(key);
      running?.start();
    } catch (error) {
      this.#held.delete(key);
      volumes.remove();
      throw error;
    }
  }

  async #end(key: string, object: PodObject): Promise<void> {
    if (this.#held.has(key)) {
      await this.#settings.kubelet().remove(key, object.metadata.deletionGracePeriodSeconds, 0);
    }
    const { name, namespace } = object.metadata;
    try {
      await this.#settings.client.delete(`/api/v1/namespaces/${namespace}/pods/${name}`, { gracePeriodSeconds: 0 });
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 404) throw error;
    }
  }

  /** Deleted by force while its processes are given time. */
  #kill(key: string): void {
    const pod = this.#held.has(key) ? this.#settings.kubelet().find(key) : undefined;
    if (pod?.life.running === true) pod.signal("SIGKILL");
  }

  #complain(key: string, error: unknown): void {
    const object = this.#settings.current(key);
    const text = describeError(error);
    if (this.#complaints.get(key) === text) return;
    this.#complaints.set(key, text);
    console.error(`kubelet: ${key}: ${text}`);
    if (object === undefined || this.#held.has(key)) return;
    this.#writer.write(key, cannotStartPatch(object, "CreateContainerError", text));
  }
}
