/**
 * One object of the API server by its name, kept current: read, then watched, then read again.
 *
 *   read --there or not--> watch --ended--> read ...
 *     \\-- failed --> wait (jittered backoff) --> read
 *
 * `onObject` is called with what is there (undefined: nothing is) after every read and every event; it may be the same as
 * before. Nobody's list of all objects is needed, so a role can be limited to the name.
 */
import { backoffMs } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import type { KubeClient, KubeObject, KubeWatchEvent } from "../../kubernetes/kube-client.ts";
import { KubeError } from "../../kubernetes/kube-client.ts";
import { timers } from "../limits.ts";

export interface WatchedObjectOptions<T extends KubeObject> {
  readonly client: Pick<KubeClient, "get" | "watch">;
  /** Of the collection, e.g. `/api/v1/namespaces/hawser-system/secrets`. */
  readonly path: string;
  readonly name: string;
  readonly onObject: (object: T | undefined) => void;
  /** It could not be read, or its watch broke. */
  readonly onFailure: (error: unknown) => void;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

export class WatchedObject<T extends KubeObject> {
  readonly #options: WatchedObjectOptions<T>;
  readonly #ended = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #failures = 0;

  constructor(options: WatchedObjectOptions<T>) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      try {
        await this.#readAndWatch();
        this.#failures = 0;
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        this.#options.onFailure(error);
        await this.#pause();
      }
    }
  }

  async #readAndWatch(): Promise<void> {
    const object = await readIfThere<T>(this.#options.client, `${this.#options.path}/${this.#options.name}`);
    if (this.#ended.signal.aborted) return;
    this.#failures = 0;
    this.#options.onObject(object);
    const query = {
      fieldSelector: `metadata.name=${this.#options.name}`,
      // Without one the watch begins with what is there by then: nothing is missed either way.
      resourceVersion: object?.metadata.resourceVersion,
      timeoutSeconds: timers.objectWatchSeconds,
    };
    const onEvent = (event: KubeWatchEvent<T>): void => this.#take(event);
    await this.#options.client.watch<T>(this.#options.path, query, onEvent, this.#ended.signal);
  }

  #take({ type, object }: KubeWatchEvent<T>): void {
    if (this.#ended.signal.aborted) return;
    if (type === "ADDED" || type === "MODIFIED") this.#options.onObject(object);
    else if (type === "DELETED") this.#options.onObject(undefined);
    // An ERROR ends the watch, and what is read then is the truth.
  }

  #pause(): Promise<void> {
    const { clock, random } = this.#options;
    const settings = { baseMs: timers.objectRetryBaseMs, maxMs: timers.objectRetryMaxMs };
    const waitMs = backoffMs(settings, this.#failures, random);
    this.#failures += 1;
    return new Promise((resolve) => {
      const timer = clock.after(waitMs, resolve);
      this.#ended.signal.addEventListener("abort", () => {
        timer.cancel();
        resolve();
      });
    });
  }
}

/** Undefined: there is no such object. Rejects with KubeError. */
export async function readIfThere<T>(client: Pick<KubeClient, "get">, path: string): Promise<T | undefined> {
  try {
    return await client.get<T>(path);
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return undefined;
    throw error;
  }
}
