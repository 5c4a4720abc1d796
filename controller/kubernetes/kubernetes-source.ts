/**
 * The source of documents that is a cluster: a mirror of each kind of object, converted as it arrives, and the settings in
 * the ConfigMap `hawser`.
 *
 *   API server --> Reflector per kind --object by object--> document --\
 *                                                                       +--> settle --> all documents --> onState
 *   ConfigMap hawser --> Reflector --> MeshSettings (last good) --------/
 *
 * What always holds: the first state is given when every kind was read completely and the settings are known, not before,
 * because a half-read cluster looks like one whose other half was deleted. After that, an API server that is away, or says
 * nonsense, changes nothing. A document that did not change is the same object in every state.
 */
import { backoffMs } from "../../core/backoff.ts";
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { KubeClient, KubeObject, KubeQuery } from "../../kubernetes/kube-client.ts";
import { reflectorBackoff } from "../../kubernetes/limits.ts";
import { Reflector } from "../../kubernetes/reflector.ts";
import type { Document } from "../../protocol/documents/document.ts";
import { isKind } from "../../routing/is-kind.ts";
import type { Source, SourceState } from "../source.ts";
import { hasAgentTaint } from "./agent-taint.ts";
import type { ConfigMapObject } from "./cluster-objects.ts";
import { convertEndpointSlice, convertNamespace, convertNode, convertPod, convertService } from "./convert-objects.ts";
import { EventRecorder } from "./event-recorder.ts";
import { limits, timers } from "./limits.ts";
import { MeshSettings, type SettingTexts } from "./mesh-settings.ts";
import { type ConvertedObject, withoutWrongKeys } from "./own-keys.ts";
import { SharedJson } from "./shared-json.ts";
import type { SourceMetrics } from "./source-metrics.ts";
import { StoredSettings } from "./stored-settings.ts";
import { type ReferencedDocument, RouteStatusWriter } from "./route-status-writer.ts";
import { isDeepStrictEqual } from "node:util";

export interface KubernetesSourceOptions {
  readonly client: KubeClient;
  /** Where Hawser's own objects live. */
  readonly namespace: string;
  /** Whether this replica is the one that writes. */
  readonly isLeader: () => boolean;
  readonly metrics: SourceMetrics;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** Of the ConfigMap whose texts are the settings. */
const SETTINGS_NAME = "hawser";

type DocumentMirror = Pick<Reflector<KubeObject, ConvertedObject>, "start" | "synced" | "get" | "values" | "close">;

interface SettingsObject {
  readonly uid: string | undefined;
  readonly texts: SettingTexts;
}

export class KubernetesSource implements Source {
  readonly #options: KubernetesSourceOptions;
  readonly #shared = new SharedJson();
  readonly #nodes: DocumentMirror;
  readonly #services: DocumentMirror;
  readonly #mirrors: readonly DocumentMirror[];
  readonly #routes: RouteStatusWriter;
  readonly #settingsMirror: Reflector<ConfigMapObject, SettingsObject>;
  readonly #settings: MeshSettings;
  readonly #stored: StoredSettings;
  readonly #events: EventRecorder;
  #onState: (state: SourceState) => void = () => {};
  readonly #firstState = Promise.withResolvers<void>();
  /** Every kind was read, and the settings of the past are known. */
  #isOpen = false;
  #settleTimer: Timer | undefined;
  #storeTimer: { cancel(): void } | undefined;
  #batchSinceMs: number | undefined;
  #closed = false;

  constructor(options: KubernetesSourceOptions) {
    const { client, namespace, isLeader, clock, log, metrics } = options;
    this.#options = options;
    this.#settings = new MeshSettings(`ConfigMap ${namespace}/${SETTINGS_NAME}`);
    const goodTexts = (): SettingTexts | undefined => this.#settings.goodTexts;
    this.#stored = new StoredSettings({ client, namespace, goodTexts, isLeader, clock, log });
    this.#events = new EventRecorder({ client, isLeader, limitHit: (limit) => metrics.limitHit(limit), clock, log });
    this.#nodes = this.#mirror("/api/v1/nodes", convertNode);
    this.#services = this.#mirror("/api/v1/services", convertService, () => this.#routes.referencedChanged());
    this.#mirrors = [
      this.#mirror("/api/v1/namespaces", convertNamespace),
      this.#nodes,
      this.#services,
      this.#mirror("/apis/discovery.k8s.io/v1/endpointslices", convertEndpointSlice),
      this.#mirror("/api/v1/pods", convertPod),
    ];
    this.#routes = new RouteStatusWriter({
      ...options,
      referenced: () => this.#referencedDocuments(),
      onChange: () => this.#changed(),
    });
    this.#settingsMirror = this.#reflector<ConfigMapObject, SettingsObject>(
      `/api/v1/namespaces/${namespace}/configmaps`,
      ({ metadata, data = {} }) => ({ uid: metadata.uid, texts: data }),
      () => this.#settingsChanged(),
      { fieldSelector: `metadata.name=${SETTINGS_NAME}` },
    );
  }

  /** Names of the nodes that have the taint `hawser.dev/agent-not-ready` now. */
  nodesWithTaint(): readonly string[] {
    const tainted = [...this.#nodes.values()].filter(({ isTainted }) => isTainted === true);
    return tainted.map(({ document }) => document.metadata.name);
  }

  async start(onState: (state: SourceState) => void): Promise<void> {
    this.#onState = onState;
    this.#events.start();
    const all = [...this.#mirrors, this.#settingsMirror];
    for (const mirror of [...all, this.#routes]) mirror.start();
    await Promise.all([...all, this.#routes].map((mirror) => mirror.synced));
    await this.#openSettings();
    await this.#firstState.promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#settleTimer?.cancel();
    this.#storeTimer?.cancel();
    this.#events.close();
    await Promise.all([...this.#mirrors, this.#settingsMirror, this.#routes].map((part) => part.close()));
  }

  #referencedDocuments(): readonly ReferencedDocument[] | undefined {
    if (!this.#isOpen) return undefined;
    const services = [...this.#services.values()].map(({ document }) => document);
    return [...services, ...(this.#settings.current?.documents ?? [])].filter(
      isKind("Service", "Subset", "RequestMatch"),
    );
  }

  /** `convert` takes the objects that are at `path`. */
  #mirror(
    path: string,
    convert: (object: never, shared: SharedJson) => Document | undefined,
    alsoTell: () => void = () => {},
  ): DocumentMirror {
    const reduce = (object: KubeObject, before: ConvertedObject | undefined): ConvertedObject | undefined => {
      const document = convert(object as never, this.#shared);
      if (document === undefined) return undefined;
      const converted = withoutWrongKeys(document);
      this.#tellProblems(object, converted, before);
      const isTainted = document.kind === "Node" && hasAgentTaint(object);
      const known = before?.document;
      // What is not part of the document changes without it.
      const same = known !== undefined && isDeepStrictEqual(known, converted.document) ? known : converted.document;
      return { document: same, problems: converted.problems, ...(isTainted ? { isTainted } : {}) };
    };
    return this.#reflector(path, reduce, () => {
      alsoTell();
      this.#changed();
    });
  }

  #reflector<O extends KubeObject, T extends object>(
    path: string,
    reduce: (object: O, before: T | undefined) => T | undefined,
    onChange: () => void,
    query: KubeQuery = {},
  ): Reflector<O, T> {
    const { client, metrics, clock, random, log } = this.#options;
    return new Reflector<O, T>({ client, path, query, reduce, onChange, metrics, clock, random, log });
  }

  /** On the object itself, once. */
  #tellProblems(
    object: KubeObject,
    { problems, document }: ConvertedObject,
    before: ConvertedObject | undefined,
  ): void {
    if (problems.length === 0 || problems.join("\n") === before?.problems.join("\n")) return;
    const { name, namespace, uid } = object.metadata;
    const { apiVersion, kind } = document;
    const about = { apiVersion, kind, name, namespace, uid };
    this.#events.record({ about, type: "Warning", reason: "AnnotationIgnored", message: problems.join("; ") });
  }

  get #settingsNow(): SettingsObject | undefined {
    return this.#settingsMirror.get(`${this.#options.namespace}/${SETTINGS_NAME}`);
  }

  async #openSettings(): Promise<void> {
    const stored = this.#settings.isGood(this.#settingsNow?.texts) ? undefined : await this.#loadStored();
    if (this.#closed) return;
    this.#settings.open(this.#settingsNow?.texts, stored);
    this.#isOpen = true;
    this.#tellSettings(undefined);
    this.#storeTimer = this.#stored.watch();
    void this.#stored.save();
    this.#handOn();
  }

  /** Until there is an answer: not to know is not to have none. */
  async #loadStored(): Promise<SettingTexts | undefined> {
    const { clock, random, log } = this.#options;
    for (let tries = 0; !this.#closed; tries++) {
      try {
        return await this.#stored.load();
      } catch (error) {
        log.warn({ error: describeError(error) }, "Cannot read the stored settings, trying again");
        await new Promise<void>((resolve) => void clock.after(backoffMs(reflectorBackoff, tries, random), resolve));
      }
    }
    return undefined;
  }

  #settingsChanged(): void {
    if (!this.#isOpen) return;
    const before = this.#settings.problems;
    this.#settings.change(this.#settingsNow?.texts);
    this.#routes.referencedChanged();
    this.#tellSettings(before);
    void this.#stored.save();
    this.#changed();
  }

  /** `before`: the problems that were told last; undefined at the start. */
  #tellSettings(before: readonly string[] | undefined): void {
    const { problems } = this.#settings;
    if (problems.join("\n") === (before ?? []).join("\n")) return;
    const { log, namespace } = this.#options;
    for (const problem of problems) log.error({ event: "document-refused", problem }, "Document refused");
    if (problems.length === 0) log.info({ event: "documents-accepted" }, "The settings are in force again");
    const settings = this.#settingsNow;
    if (settings === undefined) return;
    const about = { apiVersion: "v1", kind: "ConfigMap", name: SETTINGS_NAME, namespace, uid: settings.uid };
    if (problems.length === 0) {
      this.#events.record({
        about,
        type: "Normal",
        reason: "DocumentsAccepted",
        message: "The documents are in force",
      });
    } else {
      const message = `The last good documents stay in force: ${problems.join("; ")}`;
      this.#events.record({ about, type: "Warning", reason: "DocumentsRefused", message });
    }
  }

  #changed(): void {
    if (!this.#isOpen || this.#closed) return;
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#batchSinceMs ??= nowMs;
    const waitMs = Math.max(0, Math.min(timers.settleMs, this.#batchSinceMs + timers.longestBatchMs - nowMs));
    this.#settleTimer?.cancel();
    this.#settleTimer = clock.after(waitMs, () => this.#handOn());
  }

  #handOn(): void {
    this.#batchSinceMs = undefined;
    const settings = this.#settings.current;
    if (settings === undefined || this.#closed) return;
    const documents: Document[] = [...settings.documents];
    const problems: string[] = [...settings.problems];
    let more = 0;
    const tell = (name: string, problem: string): void => {
      if (problems.length < limits.problems) problems.push(`${name}: ${problem}`);
      else more += 1;
    };
    for (const mirror of this.#mirrors) {
      for (const converted of mirror.values()) {
        documents.push(converted.document);
        for (const problem of converted.problems) tell(converted.document.source.file, problem);
      }
    }
    for (const { kind, namespace, name, document, problem } of this.#routes.routes()) {
      if (document !== undefined) documents.push(document);
      if (problem !== undefined) tell(`${kind} ${namespace}/${name}`, problem);
    }
    if (more > 0) problems.push(`and ${more} more`);
    this.#options.metrics.setProblems(problems.length + more);
    this.#onState({ documents, problems, judgement: "each" });
    this.#firstState.resolve();
  }
}
