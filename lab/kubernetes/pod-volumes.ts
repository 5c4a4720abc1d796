/**
 * The volumes of one pod, as the kubelet provides them: projected tokens (renewed in time), ConfigMaps, Secrets and the
 * downward API (kept up to date), empty directories, and paths of the node.
 *
 * A path of the node is the lab's: `<state>/nodes/<node>/...`; what is mounted read-only and is there on the machine
 * (/lib/modules) is the machine's own.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Clock, Timer } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import { KubeError } from "../../kubernetes/kube-client.ts";
import type { KubeClient } from "../../kubernetes/kube-client.ts";
import { nodeDirectory } from "../cluster/node.ts";
import type { PodMount } from "../cluster/pod-plan.ts";
import type { ConfigSource, PodObject, ProjectionSource, VolumeMount, VolumeSpec } from "./kube-objects.ts";
import { podFact } from "./pod-facts.ts";
import type { PodPlace } from "./pod-facts.ts";
import { VolumeDirectory } from "./volume-directory.ts";

export interface PodVolumesSettings {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly stateDir: string;
  readonly pod: PodObject;
  readonly place: PodPlace;
}

type Files = Map<string, Buffer>;

interface Filled {
  readonly directory: VolumeDirectory;
  readonly sources: readonly ProjectionSource[];
}

interface Token {
  readonly value: string;
  readonly renewAtMs: number;
}

/** The kubelet's own period is a minute; a story would not wait for it. */
const REFRESH_MS = 1_000;
const DEFAULT_TOKEN_SECONDS = 3_600;
/** The kubelet renews a token after 80 % of its life. */
const TOKEN_RENEWAL = 0.8;

export class PodVolumes {
  readonly #settings: PodVolumesSettings;
  readonly #filled: Filled[] = [];
  readonly #tokens = new Map<string, Token>();
  #timer: Timer | undefined;
  #refreshing = false;

  constructor(settings: PodVolumesSettings) {
    this.#settings = settings;
  }

  /** Rejects while something that is mounted does not exist yet: the caller tries again, as the kubelet does. */
  async prepare(): Promise<readonly PodMount[]> {
    const { pod, clock } = this.#settings;
    const mounts: PodMount[] = [];
    for (const mount of pod.spec.containers[0]?.volumeMounts ?? []) {
      const volume = pod.spec.volumes?.find((one) => one.name === mount.name);
      if (volume === undefined) throw new HawserError("no-volume", `Pod has no volume ${mount.name}`);
      const source = await this.#provide(volume, mount);
      const whole = mount.subPath === undefined ? source : path.join(source, mount.subPath);
      mounts.push({ source: whole, path: mount.mountPath, readOnly: mount.readOnly ?? false });
    }
    if (this.#filled.length > 0) this.#timer = clock.every(REFRESH_MS, () => void this.#refresh());
    // Outer paths first, or they would hide the inner ones.
    return mounts.toSorted((a, b) => a.path.length - b.path.length);
  }

  remove(): void {
    this.#timer?.cancel();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #provide(volume: VolumeSpec, mount: VolumeMount): Promise<string> {
    const directory = path.join(this.#directory, volume.name);
    if (volume.hostPath !== undefined) return this.#nodePath(volume.hostPath, mount.readOnly ?? false);
    if (volume.emptyDir !== undefined) {
      mkdirSync(directory, { recursive: true });
      return directory;
    }
    const filled = { directory: new VolumeDirectory(directory), sources: projectionSources(volume) };
    filled.directory.write(await this.#files(filled.sources));
    this.#filled.push(filled);
    return directory;
  }

  #nodePath(hostPath: { readonly path: string; readonly type?: string }, readOnly: boolean): string {
    if (readOnly && existsSync(hostPath.path)) return hostPath.path;
    const own = path.join(nodeDirectory(this.#settings.stateDir, this.#settings.place.nodeName), hostPath.path);
    const isFile = hostPath.type?.startsWith("File") === true;
    mkdirSync(isFile ? path.dirname(own) : own, { recursive: true });
    if (isFile && !existsSync(own)) writeFileSync(own, "");
    return own;
  }

  async #refresh(): Promise<void> {
    if (this.#refreshing) return;
    this.#refreshing = true;
    try {
      for (const { directory, sources } of this.#filled) directory.write(await this.#files(sources));
    } catch {
      // The API server is away or the object is gone: the pod keeps what it has.
    }
    this.#refreshing = false;
  }

  async #files(sources: readonly ProjectionSource[]): Promise<Files> {
    const files: Files = new Map();
    for (const source of sources) for (const [name, data] of await this.#sourceFiles(source)) files.set(name, data);
    return files;
  }

  async #sourceFiles({ serviceAccountToken, configMap, secret, downwardAPI }: ProjectionSource): Promise<Files> {
    if (serviceAccountToken !== undefined) {
      const { audience = "", expirationSeconds, path: file } = serviceAccountToken;
      return new Map([[file, Buffer.from(await this.#token(audience, expirationSeconds ?? DEFAULT_TOKEN_SECONDS))]]);
    }
    if (configMap !== undefined) return this.#objectFiles("configmaps", configMap.name, configMap);
    if (secret !== undefined) return this.#objectFiles("secrets", secret.name, secret);
    const { pod, place } = this.#settings;
    const items = downwardAPI?.items ?? [];
    return new Map(
      items.map((item) => [item.path, Buffer.from(podFact(pod, place, [], item.fieldRef?.fieldPath ?? "") ?? "")]),
    );
  }

  async #objectFiles(kind: "configmaps" | "secrets", name: string, source: ConfigSource): Promise<Files> {
    const object = await this.#object(kind, name, source.optional === true);
    const encoding = kind === "secrets" ? "base64" : "utf8";
    const all = new Map(Object.entries(object.data ?? {}).map(([key, text]) => [key, Buffer.from(text, encoding)]));
    for (const [key, text] of Object.entries(object.binaryData ?? {})) all.set(key, Buffer.from(text, "base64"));
    if (source.items === undefined) return all;
    return new Map(
      source.items.map((item) => {
        const data = all.get(item.key);
        if (data === undefined) throw new HawserError("no-key", `${kind} ${name} has no key ${item.key}`);
        return [item.path, data];
      }),
    );
  }

  async #object(
    kind: string,
    name: string,
    optional: boolean,
  ): Promise<{ data?: Record<string, string>; binaryData?: Record<string, string> }> {
    const { client, pod } = this.#settings;
    try {
      return await client.get(`/api/v1/namespaces/${pod.metadata.namespace}/${kind}/${name}`);
    } catch (error) {
      if (optional && error instanceof KubeError && error.status === 404) return {};
      throw error;
    }
  }

  /** Of the pod's ServiceAccount, bound to the pod: it is worth nothing once the pod is gone. */
  async #token(audience: string, seconds: number): Promise<string> {
    const { client, clock, pod } = this.#settings;
    const known = this.#tokens.get(audience);
    if (known !== undefined && clock.nowMs() < known.renewAtMs) return known.value;
    const { name, namespace, uid } = pod.metadata;
    const account = pod.spec.serviceAccountName ?? "default";
    const answer = await client.create<{ status: { token: string } }>(
      `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
      {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: {
          audiences: audience === "" ? [] : [audience],
          expirationSeconds: seconds,
          boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid },
        },
      },
    );
    const renewAtMs = clock.nowMs() + seconds * 1_000 * TOKEN_RENEWAL;
    this.#tokens.set(audience, { value: answer.status.token, renewAtMs });
    return answer.status.token;
  }

  get #directory(): string {
    return path.join(this.#settings.stateDir, "volumes", this.#settings.pod.metadata.uid ?? "");
  }
}

function projectionSources(volume: VolumeSpec): readonly ProjectionSource[] {
  const { configMap, secret, projected } = volume;
  if (configMap !== undefined) return [{ configMap }];
  if (secret !== undefined) return [{ secret: { ...secret, name: secret.secretName } }];
  if (projected !== undefined) return projected.sources;
  throw new HawserError("unknown-volume", `The lab does not know volumes like ${JSON.stringify(volume)}`);
}
