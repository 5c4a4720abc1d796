/**
 * A mirror of one resource of the API server: list, then watch, for ever. Every object is reduced to what is wanted of it
 * as it arrives; ten thousand pods of 20 kB become a few MB.
 *
 *            +---------------------- error: backoff ----------------------+
 *            v                                                            |
 *   start -> LISTING --pages read--> the store is replaced by difference -+--> WATCHING <--+
 *            ^  |                    (until then the old contents stay)         |  |       |
 *            |  \--404, optional--> ABSENT --every N s--> LISTING               |  +-------+ event, bookmark:
 *            |                                                                  |  |         the version moves on
 *            |                                          ended, cut, silent, ----+  |
 *            |                                          unreadable: backoff,       |
 *            |                                          again from the last version|
 *            +------ 410 Gone (status or ERROR event), 404, a version that goes ---+
 *                    back, or a watch that is refused again and again
 *
 * What always holds: an object leaves the store because a DELETED event of it came, or because a complete list that is newer
 * did not have it; nothing else, no error and no silence, removes one. An event at or below the last version is not taken.
 */
import { isDeepStrictEqual } from "node:util";
import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { isNotNewer } from "./compare-versions.ts";
import { isKubeStatus, type KubeClient, KubeError, type KubeList, type KubeObject, noAnswer } from "./kube-client.ts";
import type { KubeQuery, KubeWatchEvent } from "./kube-client.ts";
import type { KubeMetrics, WatchEnd } from "./kube-metrics.ts";
import { limits, reflectorBackoff, timers } from "./limits.ts";
import { statusError } from "./api-answer.ts";

export interface ReflectorOptions<O extends KubeObject, T extends object> {
  readonly client: Pick<KubeClient, "get" | "watch">;
  /** The collection: `/api/v1/pods`. */
  readonly path: string;
  /** Selectors. */
  readonly query?: KubeQuery;
  /** True for a resource that need not be installed: it is then empty, and looked for again. */
  readonly optional?: boolean;
  /**
   * What is kept of an object; undefined for nothing. Must not throw, nor hold on to `object`. `before` is what was kept of
   * it: an equal result is thrown away for it, so that who compares identities sees no change.
   */
  readonly reduce: (object: O, before: T | undefined) => T | undefined;
  /** After the store has changed. `value` undefined: gone. Of a list, once for each difference. */
  readonly onChange: (key: string, value: T | undefined) => void;
  readonly metrics?: KubeMetrics;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

export type ReflectorState = "stopped" | "listing" | "absent" | "watching" | "waiting";

/** Watches that are refused one after the other, for whatever reason, before everything is listed again. */
const FRUITLESS_WATCHES = 5;
/** A list that is refused in its middle for its age (410) is begun again; after so many times, without pages. */
const EXPIRED_LISTS = 3;
/** Absent once may be an API server that starts and has not found its definitions yet. */
const LOOKS_UNTIL_ABSENT = 2;
/** A watch that ended sooner was none: it counts as a failure after the ones before it, and is not begun again at once. */
const SHORTEST_WATCH_MS = 5_000;
/** A connection breaks now and then; it is worth a line in the log only when the next one does not hold either. */
const QUIET_FAILURES = 1;

export class Reflector<O extends KubeObject, T extends object> {
  readonly #options: ReflectorOptions<O, T>;
  readonly #ending = new AbortController();
  readonly #firstSync = Promise.withResolvers<void>();
  #store = new Map<string, T>();
  #state: ReflectorState = "stopped";
  #running: Promise<void> = Promise.resolve();
  /** Of the last list or event; undefined: everything is to be listed. */
  #version: string | undefined;
  #isSynced = false;
  #failures = 0;
  #fruitless = 0;
  /** Watches that were refused for their age, one after the other. */
  #expiries = 0;
  #expiredLists = 0;
  #absences = 0;
  #pageObjects: number = limits.pageObjects;
  #lastComplaint = "";

  constructor(options: ReflectorOptions<O, T>) {
    this.#options = options;
  }

  /** Resolves once when the resource was read completely for the first time, or is not installed. */
  get synced(): Promise<void> {
    return this.#firstSync.promise;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get state(): ReflectorState {
    return this.#state;
  }

  get size(): number {
    return this.#store.size;
  }

  /** Keys are `namespace/name`, or the name alone. */
  get(key: string): T | undefined {
    return this.#store.get(key);
  }

  entries(): IterableIterator<[string, T]> {
    return this.#store.entries();
  }

  values(): IterableIterator<T> {
    return this.#store.values();
  }

  start(): void {
    if (this.#state !== "stopped" || this.#ending.signal.aborted) return;
    this.#state = "listing";
    this.#running = this.#run();
  }

  /** Nothing is told any more from now on. Resolves when the last request has ended. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isEnded) {
      const pauseMs = await (this.#version === undefined ? this.#list() : this.#watch(this.#version));
      if (pauseMs > 0 && !this.#isEnded) await this.#pause(pauseMs);
    }
    this.#state = "stopped";
  }

  get #isEnded(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Resolves with the time to wait until the next step. */
  async #list(): Promise<number> {
    this.#state = "listing";
    try {
      const { contents, version } = await this.#readPages();
      if (this.#isEnded) return 0;
      this.#version = version;
      this.#failures = this.#fruitless = this.#expiredLists = this.#absences = 0;
      this.#pageObjects = limits.pageObjects;
      this.#replace(contents);
      return 0;
    } catch (error) {
      return this.#isEnded ? 0 : this.#listFailed(error);
    }
  }

  #listFailed(error: unknown): number {
    if (isKubeStatus(error, 404) && this.#options.optional === true) return this.#absent();
    this.#absences = 0;
    if (isKubeStatus(error, 410)) this.#expiredLists += 1;
    if (error instanceof KubeError && error.reason === "TooMuch" && this.#pageObjects > 1) {
      this.#pageObjects = Math.ceil(this.#pageObjects / 2);
      return 0;
    }
    return this.#failed(error);
  }

  #absent(): number {
    this.#absences += 1;
    this.#state = "absent";
    this.#lastComplaint = "";
    const isSure = this.#absences >= LOOKS_UNTIL_ABSENT || this.#store.size === 0;
    if (isSure && (!this.#isSynced || this.#store.size > 0)) this.#replace(new Map());
    return timers.absentMs;
  }

  async #readPages(): Promise<{ contents: Map<string, T>; version: string }> {
    const { client, path, query } = this.#options;
    const contents = new Map<string, T>();
    const limit = this.#expiredLists < EXPIRED_LISTS ? this.#pageObjects : undefined;
    let next: string | undefined;
    for (let page = 0; page < limits.pages; page++) {
      const list = await client.get<KubeList<O>>(path, { ...query, limit, continue: next });
      this.#reducePage(list, contents);
      const { continue: token, resourceVersion } = list.metadata;
      if (token === undefined || token === "") {
        if (resourceVersion === undefined) throw noAnswer("Unreadable", `The list ${path} has no resourceVersion`);
        return { contents, version: resourceVersion };
      }
      if (this.#isEnded) break;
      next = token;
    }
    throw noAnswer("TooMuch", `The list ${path} has more than ${limits.pages} pages`);
  }

  #reducePage({ items, metadata }: KubeList<O>, contents: Map<string, T>): void {
    if (!Array.isArray(items) || typeof metadata !== "object") {
      throw noAnswer("Unreadable", `The answer to GET ${this.#options.path} is no list`);
    }
    for (const object of items as readonly O[]) {
      const key = keyOf(object);
      const value = this.#reduce(object, this.#store.get(key));
      if (value !== undefined && this.#hasRoom(contents, key)) contents.set(key, value);
    }
  }

  #hasRoom(store: ReadonlyMap<string, T>, key: string): boolean {
    if (store.size < limits.objects || store.has(key)) return true;
    this.#options.metrics?.limitHit?.("objects");
    return false;
  }

  #reduce(object: O, before: T | undefined): T | undefined {
    const value = this.#options.reduce(object, before);
    return before !== undefined && isDeepStrictEqual(value, before) ? before : value;
  }

  /** All at once: nobody sees a part of it. */
  #replace(contents: Map<string, T>): void {
    const before = this.#store;
    this.#store = contents;
    this.#lastComplaint = "";
    this.#options.metrics?.listed?.(this.#options.path, contents.size);
    for (const key of before.keys()) if (!contents.has(key)) this.#options.onChange(key, undefined);
    for (const [key, value] of contents) if (before.get(key) !== value) this.#options.onChange(key, value);
    this.#isSynced = true;
    this.#firstSync.resolve();
  }

  async #watch(version: string): Promise<number> {
    this.#state = "watching";
    const { client, path, query, random, clock } = this.#options;
    const beganMs = clock.monotonicMs();
    // Jitter, so that all watches that began together do not end together for ever.
    const timeoutSeconds = Math.ceil(timers.watchSeconds * (1 + random()));
    const asked = { ...query, resourceVersion: version, allowWatchBookmarks: true, timeoutSeconds };
    let failure: unknown;
    try {
      await client.watch<O>(path, asked, (event) => this.#take(event), this.#ending.signal);
    } catch (error) {
      failure = error;
    }
    if (this.#isEnded) return 0;
    const isShort = clock.monotonicMs() - beganMs < SHORTEST_WATCH_MS;
    if (!isShort) this.#failures = this.#expiries = 0;
    if (failure !== undefined) return this.#watchFailed(failure, version);
    this.#watchEnded("ended", version);
    return isShort ? this.#backoffMs(undefined) : 0;
  }

  /** Throws to end the watch. */
  #take({ type, object }: KubeWatchEvent<O>): void {
    if (this.#isEnded) return;
    if (type === "ERROR") throw statusError(object, `WATCH ${this.#options.path}`);
    const version = object.metadata?.resourceVersion;
    if (version === undefined) throw noAnswer("Unreadable", `An event of ${this.#options.path} has no resourceVersion`);
    if (this.#version !== undefined && isNotNewer(version, this.#version)) {
      this.#takeStale(version, this.#version);
      return;
    }
    // A bookmark has no object, only a version (API concepts, "Watch bookmarks").
    if (type !== "BOOKMARK") this.#apply(keyOf(object), type === "DELETED" ? undefined : object);
    this.#version = version;
    this.#failures = this.#expiries = 0;
  }

  /** The same again is nothing new. A version before ours is that of a server whose history is another one. */
  #takeStale(version: string, known: string): void {
    const { metrics, path } = this.#options;
    metrics?.staleEvent?.(path);
    if (version === known) return;
    this.#version = undefined;
    this.#expiries += 1;
    throw noAnswer("Unreadable", `WATCH ${path} went back from version ${known} to ${version}`);
  }

  #apply(key: string, object: O | undefined): void {
    const before = this.#store.get(key);
    const after = object === undefined ? undefined : this.#reduce(object, before);
    if (after === before) return;
    if (after === undefined) this.#store.delete(key);
    else if (this.#hasRoom(this.#store, key)) this.#store.set(key, after);
    else return;
    this.#options.onChange(key, after);
  }

  #watchFailed(error: unknown, version: string): number {
    // 404: the resource was removed, which the list will tell.
    if (isKubeStatus(error, 410) || isKubeStatus(error, 404)) {
      this.#version = undefined;
      this.#options.metrics?.watchEnded?.(this.#options.path, "expired");
      this.#expiries += 1;
      // Once is usual, and listed anew at once. A server that says it to every watch is asked ever less often.
      return this.#expiries === 1 ? 0 : backoffMs(reflectorBackoff, this.#expiries, this.#options.random);
    }
    // Who may not watch is not helped by listing again: the version is not what is wrong.
    if (isKubeStatus(error, 403)) this.#options.metrics?.watchEnded?.(this.#options.path, "refused");
    else this.#watchEnded(endOf(error), version);
    return this.#failed(error);
  }

  /** Counts watches that a server which is there refused; some in a row, and their version is not trusted any more. */
  #watchEnded(end: WatchEnd, version: string): void {
    this.#options.metrics?.watchEnded?.(this.#options.path, end);
    this.#fruitless = this.#version === version && end === "refused" ? this.#fruitless + 1 : 0;
    if (this.#fruitless >= FRUITLESS_WATCHES) this.#version = undefined;
  }

  #failed(error: unknown): number {
    this.#state = "waiting";
    this.#complain(error);
    return this.#backoffMs(error);
  }

  #backoffMs(error: unknown): number {
    const wantedMs = error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
    const ownMs = backoffMs(reflectorBackoff, this.#failures, this.#options.random);
    this.#failures += 1;
    return Math.max(wantedMs, ownMs);
  }

  /** Once per reason, until a list or an event has come through. */
  #complain(error: unknown): void {
    if (this.#failures < QUIET_FAILURES) return;
    const { log, path } = this.#options;
    const facts = { event: "kube-watch-interrupted", resource: path, error: describeError(error) };
    const complaint = error instanceof KubeError ? `${error.status} ${error.reason}` : facts.error;
    if (complaint === this.#lastComplaint) return;
    this.#lastComplaint = complaint;
    log.warn(facts, "Cannot follow a resource of the API server, what is known of it stays in force");
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(ms, resolve);
    const onEnd = (): void => resolve();
    this.#ending.signal.addEventListener("abort", onEnd, { once: true });
    return promise.finally(() => {
      timer.cancel();
      this.#ending.signal.removeEventListener("abort", onEnd);
    });
  }
}

function keyOf({ metadata }: KubeObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

function endOf(error: unknown): WatchEnd {
  if (!(error instanceof KubeError)) return "broken";
  if (error.status > 0 || error.reason === "Unreadable") return "refused";
  return error.reason === "TimedOut" ? "silent" : "broken";
}
