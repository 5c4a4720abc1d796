/**
 * All objects of one kind as the API server has them, kept by list and watch; the lab's kubelets, kube-proxy and
 * imitations look into it.
 *
 *   list ──> watch from its version ──(ended, broken, 410)──> wait ──> list ...       what a list no longer has is gone
 */
import type { Clock } from "../../core/clock.ts";
import { KubeError } from "../../kubernetes/kube-client.ts";
import type { KubeClient, KubeList, KubeObject, KubeWatchEvent } from "../../kubernetes/kube-client.ts";

export interface ObjectCacheSettings<T> {
  readonly client: KubeClient;
  /** Such as `/api/v1/pods`. */
  readonly path: string;
  readonly clock: Clock;
  /** Told after the cache has it. `undefined`: the object is gone. */
  readonly onChange: (key: string, object: T | undefined) => void;
}

/** The API server of a lab comes back within seconds. */
const RETRY_MS = 200;

export class ObjectCache<T extends KubeObject> {
  readonly #settings: ObjectCacheSettings<T>;
  readonly #objects = new Map<string, T>();
  readonly #ending = new AbortController();

  constructor(settings: ObjectCacheSettings<T>) {
    this.#settings = settings;
  }

  /** Resolves after the first list. */
  async start(): Promise<void> {
    const version = await this.#list();
    void this.#follow(version);
  }

  stop(): void {
    this.#ending.abort();
  }

  get objects(): readonly T[] {
    return [...this.#objects.values()];
  }

  /** By `namespace/name`, or name. */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  async #follow(listed: string): Promise<void> {
    let version: string | undefined = listed;
    while (!this.#ending.signal.aborted) {
      try {
        version ??= await this.#list();
        version = await this.#watch(version);
      } catch {
        version = undefined;
        await new Promise<void>((resolve) => void this.#settings.clock.after(RETRY_MS, resolve));
      }
    }
  }

  async #list(): Promise<string> {
    const { client, path } = this.#settings;
    const list = await client.get<KubeList<T>>(path);
    const found = new Map(list.items.map((object) => [keyOf(object), object]));
    for (const key of [...this.#objects.keys()]) if (!found.has(key)) this.#set(key, undefined);
    for (const [key, object] of found) this.#set(key, object);
    return list.metadata.resourceVersion ?? "0";
  }

  /** Resolves with the version to go on from when the server ends the watch in its time. */
  async #watch(resourceVersion: string): Promise<string> {
    const { client, path } = this.#settings;
    let version = resourceVersion;
    const onEvent = (event: KubeWatchEvent<T>): void => {
      if (event.type === "ERROR") throw new KubeError(`Watch of ${path} ended`, 410, "Expired");
      version = event.object.metadata.resourceVersion ?? version;
      if (event.type === "BOOKMARK") return;
      this.#set(keyOf(event.object), event.type === "DELETED" ? undefined : event.object);
    };
    await client.watch<T>(path, { resourceVersion, allowWatchBookmarks: true }, onEvent, this.#ending.signal);
    return version;
  }

  #set(key: string, object: T | undefined): void {
    const before = this.#objects.get(key);
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
    const same = before?.metadata.resourceVersion === object?.metadata.resourceVersion;
    if (!same || before === undefined) this.#settings.onChange(key, object);
  }
}

export function keyOf({ metadata }: KubeObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}
