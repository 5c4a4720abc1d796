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
import { KubeError, type KubeClient, type KubeObject } from "../../kubernetes/kube-client.ts";
import type { AgentPresence } from "../agent-presence.ts";
import { timers } from "../limits.ts";
import { WatchedObject } from "./watched-object.ts";

export interface PresenceConfigMapOptions {
  readonly client: Pick<KubeClient, "get" | "watch" | "patch" | "create">;
  readonly namespace: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly countFailure?: () => void;
}

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

const NAME = "hawser-agents";

export class PresenceConfigMap implements AgentPresence {
  readonly #options: PresenceConfigMapOptions;
  readonly #path: string;
  readonly #object: WatchedObject<ConfigMap>;
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
  #onFirst: () => void = () => {};
  #closed = false;

  constructor(options: PresenceConfigMapOptions) {
    this.#options = options;
    this.#path = `/api/v1/namespaces/${options.namespace}/configmaps`;
    this.#object = new WatchedObject<ConfigMap>({
      ...options,
      path: this.#path,
      name: NAME,
      onObject: (object) => this.#take(object),
      onFailure: (error) => this.#failed("read", error),
    });
  }

  /** Resolves when the API server has answered, however long that takes. */
  async start(onChange: () => void): Promise<void> {
    const first = new Promise<void>((resolve) => (this.#onFirst = resolve));
    this.#object.start();
    await first;
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
    this.#onFirst();
    await this.#object.close();
    await this.#writing;
  }

  #want(node: string, present: boolean): void {
    if ((this.#pending.get(node) ?? this.#nodes.has(node)) === present) return;
    this.#pending.set(node, present);
    this.#write();
  }

  #take(object: ConfigMap | undefined): void {
    if (object === undefined) {
      for (const node of this.#nodes) if (!this.#pending.has(node)) this.#pending.set(node, true);
      this.#writtenVersion = undefined;
      this.#write();
    } else {
      const { resourceVersion } = object.metadata;
      // On the way since before our own last write: that it lacks is no news.
      if (isNewer(this.#writtenVersion, resourceVersion)) return;
      this.#seenVersion = resourceVersion;
      this.#replace(new Set(Object.keys(object.data ?? {})));
    }
    this.#onFirst();
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
      this.#failed("write", error);
      this.#retryLater();
    }
  }

  /** Resolves with the version that has the changes. */
  async #patchOrCreate(changes: ReadonlyMap<string, boolean>): Promise<string | undefined> {
    const since = new Date(this.#options.clock.nowMs()).toISOString();
    const data = Object.fromEntries([...changes].map(([node, present]) => [node, present ? since : null]));
    const { client } = this.#options;
    try {
      const patched = await client.patch<ConfigMap>(`${this.#path}/${NAME}`, "application/merge-patch+json", { data });
      return patched.metadata.resourceVersion;
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 404) throw error;
    }
    const metadata = { name: NAME, labels: { "app.kubernetes.io/name": "hawser" } };
    const present = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null));
    const created = await client.create<ConfigMap>(this.#path, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata,
      data: present,
    });
    return created.metadata.resourceVersion;
  }

  #retryLater(): void {
    const { clock, random } = this.#options;
    const settings = { baseMs: timers.objectRetryBaseMs, maxMs: timers.objectRetryMaxMs };
    this.#retry = clock.after(backoffMs(settings, this.#failures++, random), () => {
      this.#retry = undefined;
      this.#write();
    });
  }

  /** A line when the reason is new. */
  #failed(what: "read" | "write", error: unknown): void {
    const { countFailure, log, namespace } = this.#options;
    countFailure?.();
    const reason = `${what}: ${describeError(error)}`;
    if (reason === this.#lastFailure) return;
    this.#lastFailure = reason;
    const facts = { configMap: `${namespace}/${NAME}`, error: describeError(error) };
    log.warn(facts, `Cannot ${what} the list of nodes with an agent, what is known of it stays in force`);
  }
}

/** Versions of one object are numbers that grow. */
function isNewer(version: string | undefined, than: string | undefined): boolean {
  if (version === undefined || than === undefined) return version !== undefined;
  return version.length === than.length ? version > than : version.length > than.length;
}
