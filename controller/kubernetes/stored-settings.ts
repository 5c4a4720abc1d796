/**
 * The last good texts of the ConfigMap `hawser`, in a ConfigMap of their own beside it: `hawser-last-good`. A controller
 * that starts while the ConfigMap is bad has no other way to know what was in force, and every replica must come to the
 * same answer.
 *
 * The leader writes, whenever what is in force is not what is stored; who reads does so once, at its start.
 */
import type { Clock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { KubeClient } from "../../kubernetes/kube-client.ts";
import { readIfThere } from "../../kubernetes/read-if-there.ts";
import type { ConfigMapObject } from "./cluster-objects.ts";
import { isDeepStrictEqual } from "node:util";
import { timers } from "./limits.ts";
import type { SettingTexts } from "./mesh-settings.ts";

export const STORED_SETTINGS_NAME = "hawser-last-good";

export interface StoredSettingsOptions {
  readonly client: Pick<KubeClient, "get" | "create" | "replace">;
  readonly namespace: string;
  /** What is to be stored; undefined: nothing is known to be good. */
  readonly goodTexts: () => SettingTexts | undefined;
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export class StoredSettings {
  readonly #options: StoredSettingsOptions;
  readonly #collection: string;
  /** What the API server is known to have. */
  #stored: SettingTexts | undefined;
  #isFailing = false;
  #saving: Promise<void> | undefined;

  constructor(options: StoredSettingsOptions) {
    this.#options = options;
    this.#collection = `/api/v1/namespaces/${options.namespace}/configmaps`;
  }

  /** Undefined: there are none. Rejects with KubeError: it is not known whether there are. */
  async load(): Promise<SettingTexts | undefined> {
    this.#stored = (await this.#read())?.data;
    return this.#stored;
  }

  /** Looks now and then; to be cancelled by the caller. */
  watch(): { cancel(): void } {
    return this.#options.clock.every(timers.storeCheckMs, () => void this.save());
  }

  /** Stores what is good, if it is this replica's to do and is not done. Never rejects: it is tried again. */
  async save(): Promise<void> {
    this.#saving ??= this.#trySave().finally(() => (this.#saving = undefined));
    await this.#saving;
  }

  async #trySave(): Promise<void> {
    const { goodTexts, isLeader, log } = this.#options;
    const texts = goodTexts();
    if (texts === undefined || !isLeader() || isDeepStrictEqual(texts, this.#stored)) return;
    try {
      await this.#write(texts);
      this.#stored = texts;
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) log.warn(factsOf(error), "Cannot store the good settings, trying again");
      this.#isFailing = true;
    }
  }

  async #write(data: SettingTexts): Promise<void> {
    const { client, namespace } = this.#options;
    const existing = await this.#read();
    if (existing !== undefined && isDeepStrictEqual(existing.data, data)) return;
    const metadata = {
      name: STORED_SETTINGS_NAME,
      namespace,
      labels: { "app.kubernetes.io/name": "hawser", "app.kubernetes.io/component": "controller" },
    };
    const object = { apiVersion: "v1", kind: "ConfigMap", data };
    if (existing === undefined) {
      await client.create(this.#collection, { ...object, metadata });
      return;
    }
    // A former leader that has not noticed yet must not write over what its successor wrote.
    const { resourceVersion } = existing.metadata;
    await client.replace(this.#path, { ...object, metadata: { ...metadata, resourceVersion } });
  }

  #read(): Promise<ConfigMapObject | undefined> {
    return readIfThere<ConfigMapObject>(this.#options.client, this.#path);
  }

  get #path(): string {
    return `${this.#collection}/${STORED_SETTINGS_NAME}`;
  }
}

function factsOf(error: unknown): { event: string; error: string } {
  return { event: "settings-not-stored", error: describeError(error) };
}
