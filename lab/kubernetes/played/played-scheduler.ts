/**
 * Plays kube-scheduler where the real one is not installed: a pod that waits for a node gets the one that its affinity
 * names (pods of a DaemonSet), else the next in turn.
 */
import type { KubeClient } from "../../../kubernetes/kube-client.ts";
import type { PodObject } from "../kube-objects.ts";

export class PlayedScheduler {
  readonly #client: KubeClient;
  readonly #nodeNames: readonly string[];
  readonly #bound = new Set<string>();
  #turn = 0;

  constructor(client: KubeClient, nodeNames: readonly string[]) {
    this.#client = client;
    this.#nodeNames = nodeNames;
  }

  podChanged(pod: PodObject | undefined): void {
    if (pod === undefined || pod.spec.nodeName !== undefined || pod.metadata.deletionTimestamp !== undefined) return;
    const uid = pod.metadata.uid ?? "";
    if (this.#bound.has(uid)) return;
    this.#bound.add(uid);
    this.#bind(pod).catch((error: unknown) => {
      console.error("played scheduler:", error);
      this.#bound.delete(uid);
    });
  }

  async #bind({ metadata, spec }: PodObject): Promise<void> {
    const name = affinityNode(spec.affinity) ?? this.#nodeNames[this.#turn++ % this.#nodeNames.length];
    await this.#client.create(`/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/binding`, {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name: metadata.name },
      target: { apiVersion: "v1", kind: "Node", name },
    });
  }
}

/** The DaemonSet controller names the node by a field selector on its name. */
function affinityNode(affinity: PodObject["spec"]["affinity"]): string | undefined {
  const found = /"matchFields":\[\{"key":"metadata\.name","operator":"In","values":\["([^"]+)"/.exec(
    JSON.stringify(affinity?.nodeAffinity ?? {}),
  );
  return found?.[1];
}
