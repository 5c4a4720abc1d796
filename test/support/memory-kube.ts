/**
 * An API server in memory behind the KubeClient interface: objects with versions, create, replace, merge and JSON patches,
 * watches. For units with a fake clock; what an API server really does is tested against a real one.
 */
import {
  type KubeClient,
  KubeError,
  type KubeObject,
  type KubeQuery,
  type KubeWatchEvent,
  type PatchType,
} from "../../kubernetes/kube-client.ts";

interface Watcher {
  readonly path: string;
  readonly onEvent: (event: KubeWatchEvent<KubeObject>) => void;
  readonly end: (error?: Error) => void;
}

type Json = Record<string, unknown>;
type Verb = "get" | "create" | "replace" | "patch" | "delete" | "watch";

interface JsonPatchStep {
  readonly op: "test" | "remove";
  readonly path: string;
  readonly value?: unknown;
}

export class MemoryKube implements KubeClient {
  /** By path of the object. */
  readonly objects = new Map<string, KubeObject>();
  /** `verb path`, in order. */
  readonly calls: string[] = [];
  /** Called before each request: what it throws or rejects with is the answer. */
  intercept: (verb: Verb, path: string, body?: object) => unknown = () => undefined;
  /** Answers to POSTs that create nothing, by path. */
  readonly reviews = new Map<string, (body: object) => unknown>();
  readonly #watchers = new Set<Watcher>();
  #version = 100;

  /** A list where a name is selected. */
  async get<T>(path: string, query: KubeQuery = {}): Promise<T> {
    await this.#begin("get", path);
    if (query["fieldSelector"] === undefined) return structuredClone(this.#find(path)) as T;
    const object = this.objects.get(`${path}/${selectedName(query)}`);
    const list = { metadata: { resourceVersion: String(this.#version) }, items: object === undefined ? [] : [object] };
    return structuredClone(list) as T;
  }

  async create<T>(path: string, body: object): Promise<T> {
    await this.#begin("create", path, body);
    const review = this.reviews.get(path);
    if (review !== undefined) return review(body) as T;
    const object = body as KubeObject;
    const own = `${path}/${object.metadata.name}`;
    if (this.objects.has(own)) throw new KubeError(`${own} exists`, 409, "AlreadyExists");
    return this.#store(own, object, "ADDED") as T;
  }

  async replace<T>(path: string, body: object): Promise<T> {
    await this.#begin("replace", path, body);
    const { resourceVersion } = (body as KubeObject).metadata;
    if (resourceVersion !== undefined && resourceVersion !== this.#find(path).metadata.resourceVersion) {
      throw new KubeError(`${path} has changed`, 409, "Conflict");
    }
    return this.#store(path, body as KubeObject, "MODIFIED") as T;
  }

  async patch<T>(path: string, type: PatchType, body: object): Promise<T> {
    await this.#begin("patch", path, body);
    const before = structuredClone(this.#find(path)) as unknown as Json;
    const after =
      type === "application/json-patch+json" ? stepwise(before, body as JsonPatchStep[]) : merge(before, body);
    return this.#store(path, after as unknown as KubeObject, "MODIFIED") as T;
  }

  async delete(path: string): Promise<void> {
    await this.#begin("delete", path);
    const object = this.#find(path);
    this.objects.delete(path);
    this.#tell(path, "DELETED", { ...object, metadata: { ...object.metadata, resourceVersion: this.#nextVersion() } });
  }

  async watch<T>(
    path: string,
    query: KubeQuery,
    onEvent: (event: KubeWatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#begin("watch", path);
    const own = `${path}/${selectedName(query)}`;
    const there = this.objects.get(own);
    const known = Number(query["resourceVersion"]);
    if (Number(there?.metadata.resourceVersion) > known) onEvent({ type: "MODIFIED", object: there as T });
    await new Promise<void>((resolve, reject) => {
      const watcher: Watcher = {
        path: own,
        onEvent: onEvent as Watcher["onEvent"],
        end: (error) => {
          this.#watchers.delete(watcher);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#watchers.add(watcher);
      signal.addEventListener("abort", () => watcher.end());
    });
  }

  /** Sets an object as somebody else would. */
  put(path: string, object: object): void {
    this.#store(path, object as KubeObject, this.objects.has(path) ? "MODIFIED" : "ADDED");
  }

  /** All watches end, in order or with an error. */
  endWatches(error?: Error): void {
    for (const watcher of this.#watchers) watcher.end(error);
  }

  /** To whoever watches the object, whatever is stored. */
  send(event: KubeWatchEvent<KubeObject>): void {
    const { name } = event.object.metadata;
    for (const watcher of this.#watchers) if (watcher.path.endsWith(`/${name}`)) watcher.onEvent(event);
  }

  get watches(): number {
    return this.#watchers.size;
  }

  async #begin(verb: Verb, path: string, body?: object): Promise<void> {
    this.calls.push(`${verb} ${path}`);
    await this.intercept(verb, path, body);
    await Promise.resolve();
  }

  #find(path: string): KubeObject {
    const object = this.objects.get(path);
    if (object === undefined) throw new KubeError(`${path} is not there`, 404, "NotFound");
    return object;
  }

  #store(path: string, object: KubeObject, type: "ADDED" | "MODIFIED"): KubeObject {
    const stored = structuredClone({
      ...object,
      metadata: { ...object.metadata, resourceVersion: this.#nextVersion() },
    });
    this.objects.set(path, stored);
    this.#tell(path, type, stored);
    return structuredClone(stored);
  }

  #tell(path: string, type: "ADDED" | "MODIFIED" | "DELETED", object: KubeObject): void {
    for (const watcher of this.#watchers) if (watcher.path === path) watcher.onEvent({ type, object });
  }

  #nextVersion(): string {
    this.#version += 1;
    return String(this.#version);
  }
}

/** RFC 7386. */
function merge(before: unknown, patch: unknown): Json {
  const result: Json = isJson(before) ? { ...before } : {};
  for (const [key, value] of Object.entries(patch as Json)) {
    if (value === null) delete result[key];
    else result[key] = isJson(value) ? merge(result[key], value) : value;
  }
  return result;
}

/** As much of RFC 6902 as is used: elements of arrays are tested and removed. */
function stepwise(object: Json, steps: readonly JsonPatchStep[]): Json {
  for (const { op, path, value } of steps) {
    const keys = path.slice(1).split("/");
    const last = Number(keys.pop());
    const array = keys.reduce<unknown>((inner, key) => (inner as Json)[key], object) as unknown[];
    if (op === "remove") array.splice(last, 1);
    else if (JSON.stringify(array[last]) !== JSON.stringify(value)) {
      throw new KubeError(`${path} is not what the patch says`, 422, "Invalid");
    }
  }
  return object;
}

function selectedName(query: KubeQuery): string {
  return String(query["fieldSelector"]).replace("metadata.name=", "");
}

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
