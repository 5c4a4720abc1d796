/** Makes the objects of a lab's cluster file in its API server. What exists already is left as it is. */
import type { Clock } from "../../core/clock.ts";
import type { KubeClient } from "../../kubernetes/kube-client.ts";
import { isKubeStatus } from "../../kubernetes/kube-client.ts";
import type { ClusterDocuments, LabNode } from "../cluster/cluster-file.ts";
import type { LabPod } from "../lab-status.ts";
import {
  namespaceObject,
  namespaceOf,
  nodeObject,
  nodeStatus,
  podObject,
  serviceAccountObject,
  serviceObject,
} from "./api-objects.ts";

export class ObjectRegistrar {
  readonly #client: KubeClient;
  readonly #clock: Clock;

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Everything that pods need to be there first. */
  async register({ nodes, pods, others }: ClusterDocuments): Promise<void> {
    await Promise.all(nodes.map((node, index) => this.#registerNode(node, index)));
    const ofKind = (kind: string): readonly Readonly<Record<string, unknown>>[] =>
      others.filter((document) => document["kind"] === kind);
    for (const document of ofKind("Namespace")) await this.#ensure("/api/v1/namespaces", document);
    const services = ofKind("Service").map(serviceObject);
    for (const name of new Set([...pods, ...services].map(namespaceOf))) await this.#ensureNamespace(name);
    await Promise.all(pods.map((pod) => this.#ensureServiceAccount(pod)));
    await Promise.all(
      services.map((service) => this.#ensure(`/api/v1/namespaces/${namespaceOf(service)}/services`, service)),
    );
  }

  /** With its namespace and ServiceAccount. */
  async createPod(pod: LabPod): Promise<void> {
    await this.#ensureNamespace(namespaceOf(pod));
    await this.#ensureServiceAccount(pod);
    await this.#client.create(`/api/v1/namespaces/${namespaceOf(pod)}/pods`, podObject(pod));
  }

  async #registerNode(node: LabNode, index: number): Promise<void> {
    await this.#client.create("/api/v1/nodes", nodeObject(node, index));
    const status = nodeStatus(node, new Date(this.#clock.nowMs()).toISOString());
    await this.#client.patch(`/api/v1/nodes/${node.name}/status`, "application/strategic-merge-patch+json", status);
  }

  async #ensureNamespace(name: string): Promise<void> {
    await this.#ensure("/api/v1/namespaces", namespaceObject(name));
  }

  async #ensureServiceAccount(pod: LabPod): Promise<void> {
    const namespace = namespaceOf(pod);
    const name = pod.spec.serviceAccountName ?? "default";
    await this.#ensure(`/api/v1/namespaces/${namespace}/serviceaccounts`, serviceAccountObject(namespace, name));
  }

  async #ensure(collection: string, object: object): Promise<void> {
    try {
      await this.#client.create(collection, object);
    } catch (error) {
      if (!isKubeStatus(error, 409)) throw error;
    }
  }
}
