/**
 * Writes what the kubelets know of their pods to the API server: one patch per pod at a time, and always the latest. While
 * the API server is away the latest waits.
 */
import type { Clock } from "../../core/clock.ts";
import { KubeError } from "../../kubernetes/kube-client.ts";
import type { KubeClient } from "../../kubernetes/kube-client.ts";

interface Pending {
  patch: object | undefined;
  writing: boolean;
}

const RETRY_MS = 200;

export class StatusWriter {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #pods = new Map<string, Pending>();

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** `key`: `namespace/name`. */
  write(key: string, patch: object): void {
    const pending = this.#pods.get(key) ?? { patch: undefined, writing: false };
    this.#pods.set(key, pending);
    pending.patch = patch;
    if (!pending.writing) void this.#flush(key, pending);
  }

  async #flush(key: string, pending: Pending): Promise<void> {
    pending.writing = true;
    while (pending.patch !== undefined) {
      const { patch } = pending;
      pending.patch = undefined;
      if (await this.#send(key, patch)) continue;
      pending.patch ??= patch;
      await new Promise<void>((resolve) => void this.#clock.after(RETRY_MS, resolve));
    }
    this.#pods.delete(key);
  }

  /** False: try again. */
  async #send(key: string, patch: object): Promise<boolean> {
    const [namespace, name] = key.split("/");
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
    try {
      await this.#client.patch(path, "application/strategic-merge-patch+json", patch);
      return true;
    } catch (error) {
      const status = error instanceof KubeError ? error.status : 0;
      // Gone, or another pod of the same name: nobody waits for it.
      if (status === 404 || status === 409) return true;
      if (status >= 400 && status < 500 && status !== 429) {
        console.error("kubelet:", error);
        return true;
      }
      return false;
    }
  }
}
