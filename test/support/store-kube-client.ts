/**
 * A KubeClient straight on the store of the API double, without a network, so that a test with a clock of its own can play
 * thousands of histories. It fails when it is told to.
 */
import {
  KubeError,
  type KubeClient,
  type KubeList,
  type KubeQuery,
  type KubeWatchEvent,
  noAnswer,
} from "../../kubernetes/kube-client.ts";
import { type ApiEvent, type ApiObject, ApiStore } from "./api-store.ts";

interface OpenWatch {
  readonly send: (event: KubeWatchEvent<ApiObject>) => void;
  readonly end: (error: Error | undefined) => void;
}

/** Serves one resource, whatever the path. */
export class StoreKubeClient implements Pick<KubeClient, "get" | "watch"> {
  readonly store = new ApiStore();
  readonly resource: string;
  /** The next so many requests get no answer. */
  failures = 0;
  /** Undefined: lists come whole. */
  pageObjects: number | undefined;
  /** Between two pages of a list. */
  betweenPages: () => void = () => {};
  isInstalled = true;
  isSilent = false;
  lists = 0;
  watchesFrom: string[] = [];
  readonly #pages = new Map<string, { readonly items: ApiObject[]; readonly version: number }>();
  readonly #watches = new Set<OpenWatch>();
  #sent: KubeWatchEvent<ApiObject>[] = [];

  constructor(resource: string) {
    this.resource = resource;
    this.store.listen((event) => {
      if (event.resource === resource && !this.isSilent) this.#send(asWatchEvent(event));
    });
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  async get<T>(_path: string, query: KubeQuery = {}): Promise<T> {
    await Promise.resolve();
    this.#mayFail();
    const token = query["continue"];
    const first = { items: this.store.list(this.resource, undefined), version: this.store.version };
    const page = typeof token === "string" ? this.#pages.get(token) : first;
    if (page === undefined) throw new KubeError("the continue parameter is too old", 410, "Expired");
    if (token === undefined) this.lists += 1;
    const size = query["limit"] === undefined ? Infinity : (this.pageObjects ?? Infinity);
    const rest = page.items.slice(size);
    const next = `page-${this.#pages.size}-${page.version}`;
    if (rest.length > 0) this.#pages.set(next, { items: rest, version: page.version });
    const metadata = { resourceVersion: String(page.version), ...(rest.length > 0 ? { continue: next } : {}) };
    const list: KubeList<ApiObject> = { metadata, items: structuredClone(page.items.slice(0, size)) };
    if (rest.length > 0) this.betweenPages();
    return list as T;
  }

  async watch<T>(
    _path: string,
    query: KubeQuery,
    onEvent: (event: KubeWatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    await Promise.resolve();
    this.#mayFail();
    const from = String(query["resourceVersion"]);
    this.watchesFrom.push(from);
    if (Number(from) < this.store.oldestVersion) throw new KubeError("too old resource version", 410, "Expired");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const open: OpenWatch = {
      send: (event) => {
        try {
          onEvent(structuredClone(event) as KubeWatchEvent<T>);
        } catch (error) {
          open.end(error as Error);
        }
      },
      end: (error) => {
        this.#watches.delete(open);
        if (error === undefined) resolve();
        else reject(error);
      },
    };
    this.#watches.add(open);
    signal.addEventListener("abort", () => open.end(noAnswer("Aborted", "ended")), { once: true });
    for (const event of this.store.since(this.resource, Number(from)))
      if (!this.isSilent) open.send(asWatchEvent(event));
    await promise;
  }

  put(name: string, spec: object): void {
    this.store.put({ resource: this.resource, namespace: "ns", name }, { metadata: { name, namespace: "ns" }, spec });
  }

  remove(name: string): void {
    const place = { resource: this.resource, namespace: "ns", name };
    if (this.store.find(place) !== undefined) this.store.delete(place);
  }

  compact(): void {
    this.store.compact();
    this.#pages.clear();
  }

  endWatches(error?: Error): void {
    for (const watch of this.#watches) watch.end(error);
  }

  /** The last `count` events once more, as nobody should. */
  repeat(count: number): void {
    for (const event of this.#sent.slice(-count)) for (const watch of this.#watches) watch.send(event);
  }

  send(event: KubeWatchEvent<object>): void {
    for (const watch of this.#watches) watch.send(event as KubeWatchEvent<ApiObject>);
  }

  /** Not from a server that keeps events to itself: a bookmark says that everything before it was told. */
  bookmark(): void {
    if (this.isSilent) return;
    const metadata = { name: "", resourceVersion: String(this.store.version) };
    this.send({ type: "BOOKMARK", object: { metadata } });
  }

  #send(event: KubeWatchEvent<ApiObject>): void {
    this.#sent = [...this.#sent.slice(-20), event];
    for (const watch of this.#watches) watch.send(event);
  }

  #mayFail(): void {
    if (!this.isInstalled) throw new KubeError("the server could not find the requested resource", 404, "NotFound");
    if (this.failures === 0) return;
    this.failures -= 1;
    throw noAnswer("Unreachable", "connection refused");
  }
}

function asWatchEvent({ type, object }: ApiEvent): KubeWatchEvent<ApiObject> {
  return { type, object };
}
