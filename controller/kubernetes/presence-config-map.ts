/**
 * Presence of agents in the ConfigMap `hawser-agents`, one key per node: any replica adds or removes a key by a merge
 * patch, and all replicas compile what they watch, so that they agree.
 *
 *   add, remove --> pending --merge patch--> API server --watch--> nodes --> onChange
 *
 * Only the watch changes `nodes`: answers to patches come on another connection and may be newer than events still under
 * way. A ConfigMap that somebody deleted is written again from memory: without it the mesh would take every node for one
 * without an agent.
 */
import { backoffMs } from "../../core/backoff.ts";
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { isNotNewer } from "../../kubernetes/compare-versions.ts";
import { isKubeStatus, type KubeClient } from "../../kubernetes/kube-client.ts";
import { reflectorBackoff } from "../../kubernetes/limits.ts";
import type { KubeMetrics } from "../../kubernetes/kube-metrics.ts";
import { Reflector } from "../../kubernetes/reflector.ts";
import type { AgentPresence } from "../agent-presence.ts";
import type { ConfigMapObject } from "./cluster-objects.ts";

export interface PresenceConfigMapOptions {
  readonly client: Pick<KubeClient, "get" | "watch" | "patch" | "create">;
  readonly namespace: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** Of the watch. */
  readonly watchMetrics?: KubeMetrics;
  readonly countFailure?: () => void;
}

/** What is kept of the ConfigMap. */
interface Marks {
  readonly version: string | undefined;
  readonly nodes: readonly string[];
}

const NAME = "hawser-agents";

export class PresenceConfigMap implements AgentPresence {
  readonly #options: PresenceConfigMapOptions;
  readonly #path: string;
  readonly #mirror: Reflector<ConfigMapObject, Marks>;
  #nodes: ReadonlySet<string> = new Set();
  /** Node -> whether it is to have a key. Not written yet. */
  readonly #pending = new Map<string, boolean>();
  /** Versions of what was written last, and of what the watch has shown. */
  #writtenVersion: string | undefined;
  #seenVersion: string | undefined;
  #writing: Promise<void> | undefined;
  #retry: Timer | undefined;
  #failures = 0;
  #lastFailure = "";
  #onChange: () => void = () => {};
  #closed = false;

  constructor(options: PresenceConfigMapOptions) {
    this.#options = options;
    this.#path = `/api/v1/namespaces/${options.namespace}/configmaps`;
    const { watchMetrics: metrics, ...rest } = options;
    this.#mirror = new Reflector<ConfigMapObject, Marks>({
      ...rest,
      ...(metrics === undefined ? {} : { metrics }),
      path: this.#path,
      query: { fieldSelector: `metadata.name=${NAME}` },
      reduce: ({ metadata, data = {} }) => ({ version: metadata.resourceVersion, nodes: Object.keys(data) }),
      onChange: (_key, marks) => this.#take(marks),
    });
  }

  /** Resolves when the API server has answered, however long that takes. */
  async start(onChange: () => void): Promise<void> {
    this.#mirror.start();
    await this.#mirror.synced;
    this.#onChange = onChange;
  }

  get nodes(): ReadonlySet<string> {
    return this.#nodes;
  }

  get isSettled(): boolean {
    return this.#pending.size === 0 && !isNewer(this.#writtenVersion, this.#seenVersion);
  }

  add(node: string): void {
    this.#want(node, true);
  }

  remove(node: string): void {
    this.#want(node, false);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    await this.#mirror.close();
    await this.#writing;
  }

  #want(node: string, present: boolean): void {
    if ((this.#pending.get(node) ?? this.#nodes.has(node)) === present) return;
    this.#pending.set(node, present);
    this.#write();
  }

  #take(marks: Marks | undefined): void {
    if (marks === undefined) {
      for (const node of this.#nodes) if (!this.#pending.has(node)) this.#pending.set(node, true);
      this.#writtenVersion = undefined;
      this.#write();
      return;
    }
    // Versions that go back are those of another history, and the mirror has read it anew: our write was in the old one.
    if (isNewer(this.#seenVersion, marks.version)) this.#writtenVersion = undefined;
    // On the way since before our own last write: that it lacks is no news.
    if (isNewer(this.#writtenVersion, marks.version)) return;
    this.#seenVersion = marks.version;
    this.#replace(new Set(marks.nodes));
  }

  #replace(nodes: ReadonlySet<string>): void {
    if (nodes.size === this.#nodes.size && nodes.isSubsetOf(this.#nodes)) return;
    this.#nodes = nodes;
    this.#onChange();
  }

  /** What is wanted meanwhile goes with the next write. */
  #write(): void {
    if (this.#closed || this.#pending.size === 0 || this.#retry !== undefined) return;
    this.#writing ??= this.#writeOnce().finally(() => {
      this.#writing = undefined;
      this.#write();
    });
  }

  async #writeOnce(): Promise<void> {
    const changes = new Map(this.#pending);
    try {
      this.#writtenVersion = await this.#patchOrCreate(changes);
      this.#failures = 0;
      this.#lastFailure = "";
      for (const [node, present] of changes) if (this.#pending.get(node) === present) this.#pending.delete(node);
    } catch (error) {
      this.#failed(error);
      this.#retryLater();
    }
  }

  /** Resolves with the version that has the changes. */
  async #patchOrCreate(changes: ReadonlyMap<string, boolean>): Promise<string | undefined> {
    const since = new Date(this.#options.clock.nowMs()).toISOString();
    const data = Object.fromEntries([...changes].map(([node, present]) => [node, present ? since : null]));
    const { client } = this.#options;
    try {
      const patched = await client.patch<ConfigMapObject>(`${this.#path}/${NAME}`, "application/merge-patch+json", {
        data,
      });
      return patched.metadata.resourceVersion;
    } catch (error) {
      if (!isKubeStatus(error, 404)) throw error;
    }
    const metadata = { name: NAME, labels: { "app.kubernetes.io/name": "hawser" } };
    const present = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null));
    const created = await client.create<ConfigMapObject>(this.#path, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata,
      data: present,
    });
    return created.metadata.resourceVersion;
  }

  #retryLater(): void {
    const { clock, random } = this.#options;
    this.#retry = clock.after(backoffMs(reflectorBackoff, this.#failures++, random), () => {
      this.#retry = undefined;
      this.#write();
    });
  }

  /** A line when the reason is new. */
  #failed(error: unknown): void {
    const { countFailure, log, namespace } = this.#options;
    countFailure?.();
    const reason = describeError(error);
    if (reason === this.#lastFailure) return;
    this.#lastFailure = reason;
    const facts = { configMap: `${namespace}/${NAME}`, error: reason };
    log.warn(facts, "Cannot write which nodes have an agent, what is known of it stays in force");
  }
}

/** Whether what is written is not seen yet. */
function isNewer(written: string | undefined, seen: string | undefined): boolean {
  if (written === undefined) return false;
  return seen === undefined || !isNotNewer(written, seen);
}
