/**
 * What an API server keeps, without HTTP: objects by resource, one counter for all versions, and the history that watches
 * are served from. Rules as in the API concepts: optimistic locking, a subresource `status`, generations.
 */
import { randomUUID } from "node:crypto";
import type { KubeObject } from "../../kubernetes/kube-client.ts";

export type ApiObject = KubeObject & Record<string, unknown>;

export interface ApiEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly resource: string;
  readonly object: ApiObject;
  readonly before: ApiObject | undefined;
  readonly version: number;
}

/** `resource`: `pods`, `httproutes.gateway.networking.k8s.io`. */
export interface ApiPlace {
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string;
}

/** What the API server would answer with. */
export class ApiRefusal extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** Resources whose status is written at a place of its own, and ignored elsewhere. */
const WITH_STATUS = new Set([
  "pods",
  "nodes",
  "services",
  "namespaces",
  "httproutes.gateway.networking.k8s.io",
  "grpcroutes.gateway.networking.k8s.io",
]);

export class ApiStore {
  readonly #objects = new Map<string, Map<string, ApiObject>>();
  #history: ApiEvent[] = [];
  #version = 1;
  #oldestVersion = 0;
  readonly #listeners = new Set<(event: ApiEvent) => void>();

  get version(): number {
    return this.#version;
  }

  /** Versions below it cannot be watched from any more. */
  get oldestVersion(): number {
    return this.#oldestVersion;
  }

  list(resource: string, namespace: string | undefined): ApiObject[] {
    const all = [...(this.#objects.get(resource)?.values() ?? [])];
    const wanted = all.filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace);
    return wanted.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  find({ resource, namespace, name }: ApiPlace): ApiObject | undefined {
    return this.#objects.get(resource)?.get(namespace === undefined ? name : `${namespace}/${name}`);
  }

  get(place: ApiPlace): ApiObject {
    const object = this.find(place);
    if (object !== undefined) return object;
    throw new ApiRefusal(404, "NotFound", `${place.resource} "${place.name}" not found`);
  }

  /** As POST does: `status` is not taken where it has a place of its own. */
  create(place: ApiPlace, body: ApiObject): ApiObject {
    if (this.find(place) !== undefined) {
      throw new ApiRefusal(409, "AlreadyExists", `${place.resource} "${place.name}" already exists`);
    }
    const { status: _, ...rest } = body;
    return this.#save("ADDED", place, WITH_STATUS.has(place.resource) ? rest : body, undefined);
  }

  /** As PUT does. */
  replace(place: ApiPlace, body: ApiObject, subresource: string | undefined): ApiObject {
    const before = this.get(place);
    const wanted = body.metadata.resourceVersion;
    if (wanted !== undefined && wanted !== before.metadata.resourceVersion) {
      const message = "the object has been modified; please apply your changes to the latest version and try again";
      throw new ApiRefusal(409, "Conflict", `Operation cannot be fulfilled on ${place.name}: ${message}`);
    }
    const after = subresource === "status" ? { ...before, status: body["status"] } : keepStatus(place, before, body);
    if (JSON.stringify(content(after)) === JSON.stringify(content(before))) return before;
    return this.#save("MODIFIED", place, after, before);
  }

  /** Puts an object there whole, whatever it was: for the world of a test. */
  put(place: ApiPlace, body: object): ApiObject {
    const before = this.find(place);
    return this.#save(before === undefined ? "ADDED" : "MODIFIED", place, body as ApiObject, before);
  }

  delete(place: ApiPlace): ApiObject {
    const before = this.get(place);
    this.#version += 1;
    const object = { ...before, metadata: { ...before.metadata, resourceVersion: String(this.#version) } };
    this.#objects.get(place.resource)?.delete(keyOf(before));
    this.#tell({ type: "DELETED", resource: place.resource, object, before, version: this.#version });
    return object;
  }

  /** Forgets the history: whoever watches from an older version is told that it is gone. */
  compact(): void {
    this.#oldestVersion = this.#version;
    this.#history = [];
  }

  /** Another version without a change of anything: as other resources' changes make. */
  passTime(versions = 1): void {
    this.#version += versions;
  }

  since(resource: string, version: number): ApiEvent[] {
    return this.#history.filter((event) => event.resource === resource && event.version > version);
  }

  listen(listener: (event: ApiEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #save(
    type: "ADDED" | "MODIFIED",
    { resource, namespace, name }: ApiPlace,
    body: Record<string, unknown>,
    before: ApiObject | undefined,
  ): ApiObject {
    this.#version += 1;
    const isNewGeneration = JSON.stringify(body["spec"]) !== JSON.stringify(before?.["spec"]);
    const was = before?.metadata as { generation?: number; creationTimestamp?: string } | undefined;
    const object = {
      ...body,
      metadata: {
        creationTimestamp: was?.creationTimestamp ?? `${new Date().toISOString().slice(0, 19)}Z`,
        ...(body["metadata"] as object),
        name,
        ...(namespace === undefined ? {} : { namespace }),
        uid: before?.metadata.uid ?? (body["metadata"] as { uid?: string } | undefined)?.uid ?? randomUUID(),
        generation: (was?.generation ?? 0) + (isNewGeneration || before === undefined ? 1 : 0),
        resourceVersion: String(this.#version),
      },
    } as ApiObject;
    let objects = this.#objects.get(resource);
    if (objects === undefined) this.#objects.set(resource, (objects = new Map()));
    objects.set(keyOf(object), object);
    this.#tell({ type, resource, object, before, version: this.#version });
    return object;
  }

  #tell(event: ApiEvent): void {
    this.#history.push(event);
    for (const listener of this.#listeners) listener(event);
  }
}

function keepStatus({ resource }: ApiPlace, before: ApiObject, body: ApiObject): ApiObject {
  if (!WITH_STATUS.has(resource)) return body;
  const { status: _, ...rest } = body;
  return before["status"] === undefined ? rest : { ...rest, status: before["status"] };
}

/** What must differ for a write to make a new version. */
function content(object: ApiObject): unknown {
  const { resourceVersion: _, uid: __, ...metadata } = object.metadata;
  const { generation: ___, creationTimestamp: ____, ...rest } = metadata as Record<string, unknown>;
  return sorted({ ...object, metadata: rest });
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, part]) => [key, sorted(part)]));
}

function keyOf({ metadata }: ApiObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}
