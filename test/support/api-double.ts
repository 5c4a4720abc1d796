/**
 * An API server that fits into a test: list in pages, watch in chunks, create, replace, patch and delete with optimistic
 * locking, over plain HTTP on a free port. What it answers is what the real one answers, as far as Hawser can tell: the
 * contract test in test/kubernetes holds the two against each other.
 *
 * A test drives it from inside: `put` and `remove` change the world, `compact`, `dropWatches`, `silence` and `answer` make it
 * fail the way API servers fail. `audit` has every request it got.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { systemClock } from "../../core/clock.ts";
import { HttpKubeClient } from "../../kubernetes/http-kube-client.ts";
import { type ApiEvent, type ApiObject, type ApiPlace, ApiRefusal, ApiStore } from "./api-store.ts";
import { jsonPatch, mergePatch, type PatchOperation } from "./json-patches.ts";

export interface AuditEntry {
  readonly verb: "get" | "list" | "watch" | "create" | "update" | "patch" | "delete";
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
}

/** Undefined: as usual. `headers` and `body` of an answer that the double gives instead. */
export type Interception =
  | {
      readonly status: number;
      readonly reason?: string;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  | undefined;

export interface TokenReviewStatus {
  readonly authenticated: boolean;
  readonly audiences?: readonly string[];
  readonly user?: object;
  readonly error?: string;
}

interface ApiTarget {
  readonly resource: string;
  readonly apiVersion: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

interface Watcher {
  readonly response: ServerResponse;
  readonly target: ApiTarget;
  readonly matches: (object: ApiObject) => boolean;
  readonly withBookmarks: boolean;
  readonly stop: () => void;
}

/** What every cluster has; a test adds others with `install`. */
const BUILT_IN = [
  "configmaps",
  "endpointslices.discovery.k8s.io",
  "events",
  "leases.coordination.k8s.io",
  "namespaces",
  "nodes",
  "pods",
  "secrets",
  "serviceaccounts",
  "services",
  "tokenreviews.authentication.k8s.io",
];

const KINDS: Readonly<Record<string, string>> = {
  configmaps: "ConfigMap",
  endpointslices: "EndpointSlice",
  events: "Event",
  leases: "Lease",
  namespaces: "Namespace",
  nodes: "Node",
  pods: "Pod",
  secrets: "Secret",
  serviceaccounts: "ServiceAccount",
  services: "Service",
  httproutes: "HTTPRoute",
  grpcroutes: "GRPCRoute",
};

export class ApiDouble {
  readonly store = new ApiStore();
  readonly audit: AuditEntry[] = [];
  /** Answers something else to the requests it wants to. */
  answer: (entry: AuditEntry) => Interception = () => undefined;
  /** What a TokenReview of this token says. */
  reviewToken: (token: string, audiences: readonly string[]) => TokenReviewStatus = () => ({ authenticated: false });
  /** True: watches stay open and tell nothing. */
  isSilent = false;
  /** How a watch from a version that is gone is refused: the real one does either. */
  goneAs: "status" | "event" = "event";
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #watchers = new Set<Watcher>();
  readonly #installed = new Set(BUILT_IN);
  readonly #pages = new Map<string, { readonly items: ApiObject[]; readonly version: number }>();
  #tokens = 0;

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.store.listen((event) => this.#spread(event));
  }

  static async start(): Promise<ApiDouble> {
    const double = new ApiDouble();
    await double.listen(0);
    return double;
  }

  /** Again after `stop`, on the same port. */
  async listen(port: number): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** For a process: a kubeconfig with the token `token`. */
  kubeconfig(token = "double-token"): string {
    const cluster = { server: this.url, "insecure-skip-tls-verify": true };
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "double", cluster }],
      users: [{ name: "double", user: { token } }],
      contexts: [{ name: "double", context: { cluster: "double", user: "double" } }],
      "current-context": "double",
    });
  }

  client(token = "double-token"): HttpKubeClient {
    const credentials = {
      server: new URL(this.url),
      current: () => Promise.resolve({ tls: {}, headers: { authorization: `Bearer ${token}` } }),
      forget: () => {},
    };
    return new HttpKubeClient({ credentials, metrics: {}, clock: systemClock, random: Math.random });
  }

  get watches(): readonly string[] {
    return [...this.#watchers].map(({ target }) => target.resource);
  }

  /** Puts an object, status and all, under `path`, e.g. `/api/v1/namespaces/shop/pods/catalog-1`. */
  put(path: string, object: object): ApiObject {
    return this.store.put(placeOf(parsePath(path)), object);
  }

  remove(path: string): void {
    this.store.delete(placeOf(parsePath(path)));
  }

  /** The object under `path`, or undefined. */
  object(path: string): ApiObject | undefined {
    return this.store.find(placeOf(parsePath(path)));
  }

  install(...resources: string[]): void {
    for (const resource of resources) this.#installed.add(resource);
  }

  uninstall(resource: string): void {
    this.#installed.delete(resource);
    for (const watcher of this.#watchers) if (watcher.target.resource === resource) watcher.response.end();
  }

  /** Watches end: `cut` in the middle of a line, or in order. */
  dropWatches(how: "cut" | "ended" = "cut"): void {
    for (const { response, stop } of this.#watchers) {
      stop();
      if (how === "ended") response.end();
      else response.write('{"type":"ADDED","obj', () => response.destroy());
    }
  }

  /** Sends bytes to every watch as they are. */
  sendToWatches(bytes: Buffer | string): void {
    for (const { response } of this.#watchers) response.write(bytes);
  }

  bookmark(): void {
    const version = String(this.store.version);
    for (const watcher of this.#watchers) if (watcher.withBookmarks) sendBookmark(watcher, version);
  }

  /** No history and no pages of before: watches from there, and further pages, are refused with 410. */
  compact(): void {
    this.store.compact();
    this.#pages.clear();
  }

  /** Connections are cut and no new ones taken, as when the process is killed. The contents stay for `listen`. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    for (const { stop } of this.#watchers) stop();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? "/", "http://double");
      const body = await readBody(request);
      const target = parsePath(url.pathname);
      const query = Object.fromEntries(url.searchParams);
      const entry: AuditEntry = {
        verb: verbOf(request.method ?? "GET", target, query),
        path: url.pathname,
        query,
        headers: request.headers,
        body,
      };
      this.audit.push(entry);
      const instead = this.answer(entry);
      if (instead === undefined) this.#answer(entry, target, request, response);
      else sendInstead(response, instead);
    } catch (error) {
      sendError(response, error);
    }
  }

  #answer(entry: AuditEntry, target: ApiTarget, request: IncomingMessage, response: ServerResponse): void {
    if (!this.#installed.has(target.resource)) {
      throw new ApiRefusal(404, "NotFound", "the server could not find the requested resource");
    }
    if (entry.verb === "watch") this.#watch(target, entry.query, response);
    else if (entry.verb === "list") send(response, 200, this.#list(target, entry.query));
    else if (entry.verb === "create") send(response, 201, this.#create(target, entry.body as ApiObject));
    else if (entry.verb === "get") send(response, 200, typed(target, this.store.get(placeOf(target))));
    else if (entry.verb === "delete") send(response, 200, this.#delete(target));
    else send(response, 200, typed(target, this.#write(entry, target, request.headers["content-type"] ?? "")));
  }

  #create(target: ApiTarget, body: ApiObject): object {
    if (target.resource.startsWith("tokenreviews.")) return this.#review(body);
    const { namespace } = target;
    return typed(target, this.store.create({ resource: target.resource, namespace, name: body.metadata.name }, body));
  }

  #review(body: ApiObject): object {
    const { token, audiences = [] } = body["spec"] as { token: string; audiences?: readonly string[] };
    return { ...body, status: this.reviewToken(token, audiences) };
  }

  #write({ verb, body }: AuditEntry, target: ApiTarget, type: string): ApiObject {
    const place = placeOf(target);
    if (verb === "update") return this.store.replace(place, body as ApiObject, target.subresource);
    const before = this.store.find(place);
    if (type === "application/apply-patch+yaml" && before === undefined) {
      return this.store.create(place, body as ApiObject);
    }
    const current = before ?? this.store.get(place);
    const patched =
      type === "application/json-patch+json"
        ? jsonPatch(current, body as readonly PatchOperation[])
        : mergePatch(current, body);
    return this.store.replace(place, patched as ApiObject, target.subresource);
  }

  #delete(target: ApiTarget): object {
    this.store.delete(placeOf(target));
    return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" };
  }

  #list(target: ApiTarget, query: AuditEntry["query"]): object {
    const page = this.#page(target, query);
    const size = query["limit"] === undefined ? Infinity : Number(query["limit"]);
    const items = page.items.slice(0, size === 0 ? Infinity : size);
    const rest = page.items.slice(items.length);
    const metadata: Record<string, unknown> = { resourceVersion: String(page.version) };
    if (rest.length > 0) {
      const token = `page-${++this.#tokens}`;
      this.#pages.set(token, { items: rest, version: page.version });
      Object.assign(metadata, { continue: token, remainingItemCount: rest.length });
    }
    return { kind: `${kindOf(target)}List`, apiVersion: target.apiVersion, metadata, items };
  }

  #page(target: ApiTarget, query: AuditEntry["query"]): { readonly items: ApiObject[]; readonly version: number } {
    const token = query["continue"];
    if (token === undefined) {
      const all = this.store.list(target.resource, target.namespace);
      return { items: all.filter(matcherOf(query)), version: this.store.version };
    }
    const page = this.#pages.get(token);
    if (page !== undefined) return page;
    throw new ApiRefusal(
      410,
      "Expired",
      "The provided continue parameter is too old to display a consistent list result",
    );
  }

  #watch(target: ApiTarget, query: AuditEntry["query"], response: ServerResponse): void {
    const version = Number(query["resourceVersion"] ?? this.store.version);
    const isGone = version < this.store.oldestVersion;
    const message = `too old resource version: ${version} (${this.store.oldestVersion})`;
    if (isGone && this.goneAs === "status") throw new ApiRefusal(410, "Expired", message);
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (isGone) {
      sendEvent(response, "ERROR", statusObject(410, "Expired", message));
      response.end();
      return;
    }
    const seconds = Number(query["timeoutSeconds"] ?? 300);
    const timer = setTimeout(() => response.end(), seconds * 1_000).unref();
    const watcher: Watcher = {
      response,
      target,
      matches: matcherOf(query),
      withBookmarks: query["allowWatchBookmarks"] === "true",
      stop: () => {
        clearTimeout(timer);
        this.#watchers.delete(watcher);
      },
    };
    this.#watchers.add(watcher);
    response.once("close", watcher.stop);
    for (const event of this.store.since(target.resource, version)) this.#sendTo(watcher, event);
  }

  #spread(event: ApiEvent): void {
    for (const watcher of this.#watchers) if (watcher.target.resource === event.resource) this.#sendTo(watcher, event);
  }

  /** An object that comes to match a selector is new to the watch, one that ceases to is gone. */
  #sendTo({ response, target, matches }: Watcher, { type, object, before }: ApiEvent): void {
    if (this.isSilent) return;
    if (target.namespace !== undefined && object.metadata.namespace !== target.namespace) return;
    const isIn = type !== "DELETED" && matches(object);
    const wasIn = before !== undefined && matches(before);
    if (!isIn && !wasIn) return;
    const seen = isIn ? (wasIn ? "MODIFIED" : "ADDED") : "DELETED";
    sendEvent(response, seen, typed(target, object));
  }
}

function sendBookmark({ response, target }: Watcher, resourceVersion: string): void {
  sendEvent(response, "BOOKMARK", {
    kind: kindOf(target),
    apiVersion: target.apiVersion,
    metadata: { resourceVersion, creationTimestamp: null },
  });
}

function sendEvent(response: ServerResponse, type: string, object: object): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

/** `/api/v1/namespaces/shop/pods/catalog-1/status`. */
function parsePath(path: string): ApiTarget {
  const parts = path.split("/").slice(1);
  const isCore = parts[0] === "api";
  const [group, version] = isCore ? ["", parts[1]] : [parts[1] ?? "", parts[2]];
  let rest = parts.slice(isCore ? 2 : 3);
  let namespace: string | undefined;
  if (rest[0] === "namespaces" && rest.length > 2 && rest[2] !== "status" && rest[2] !== "finalize") {
    namespace = rest[1];
    rest = rest.slice(2);
  }
  const [plural = "", name, subresource] = rest;
  const resource = group === "" ? plural : `${plural}.${group}`;
  return { resource, apiVersion: isCore ? "v1" : `${group}/${version}`, namespace, name, subresource };
}

function placeOf({ resource, namespace, name = "" }: ApiTarget): ApiPlace {
  return { resource, namespace, name };
}

function kindOf({ resource }: ApiTarget): string {
  const plural = resource.split(".", 1)[0] ?? "";
  return KINDS[plural] ?? plural;
}

function typed(target: ApiTarget, object: ApiObject): object {
  return { kind: kindOf(target), apiVersion: target.apiVersion, ...object };
}

function verbOf(method: string, { name }: ApiTarget, query: AuditEntry["query"]): AuditEntry["verb"] {
  if (method === "POST") return "create";
  if (method === "PUT") return "update";
  if (method === "PATCH") return "patch";
  if (method === "DELETE") return "delete";
  if (name !== undefined) return "get";
  return query["watch"] === "true" || query["watch"] === "1" ? "watch" : "list";
}

function matcherOf(query: AuditEntry["query"]): (object: ApiObject) => boolean {
  const fields = (query["fieldSelector"] ?? "").split(",").filter(Boolean).map(splitRequirement);
  const labels = (query["labelSelector"] ?? "").split(",").filter(Boolean).map(splitRequirement);
  return ({ metadata }) => {
    const { name, namespace } = metadata;
    const facts: Record<string, string | undefined> = { "metadata.name": name, "metadata.namespace": namespace };
    return fields.every((one) => isMet(one, facts)) && labels.every((one) => isMet(one, metadata.labels ?? {}));
  };
}

interface Requirement {
  readonly key: string;
  readonly isWanted: boolean;
  /** Undefined: any. */
  readonly value: string | undefined;
}

/** `a=b`, `a==b`, `a!=b`, `a`, `!a`. */
function splitRequirement(text: string): Requirement {
  const [, not, key = "", operator, value] = /^(!?)([^=!]+)(?:(==?|!=)(.*))?$/.exec(text) ?? [];
  return { key, isWanted: not !== "!" && operator !== "!=", value };
}

function isMet({ key, isWanted, value }: Requirement, facts: Readonly<Record<string, string | undefined>>): boolean {
  const found = facts[key];
  const isThere = value === undefined ? found !== undefined : found === value;
  return isThere === isWanted;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString());
}

function send(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

function sendInstead(
  response: ServerResponse,
  { status, reason = "InternalError", headers = {}, body }: NonNullable<Interception>,
): void {
  if (body === undefined) send(response, status, statusObject(status, reason, "as the test wants"), headers);
  else response.writeHead(status, headers).end(body);
}

function sendError(response: ServerResponse, error: unknown): void {
  if (error instanceof ApiRefusal) {
    send(response, error.status, statusObject(error.status, error.reason, error.message));
  } else send(response, 400, statusObject(400, "BadRequest", String(error)));
}

function statusObject(code: number, reason: string, message: string): object {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code };
}
