/**
 * The certificate authority in the Secret `hawser-ca` (type kubernetes.io/tls), its roots for agents in the ConfigMap
 * `hawser-ca-root`.
 *
 *   tls.key           of the authority
 *   tls.crt           its certificate; for an intermediate, followed by those up to its root
 *   ca.crt            optional, as cert-manager writes it: the root, or what lies between
 *   extra-roots.pem   optional: further roots to trust, for the time of a rotation
 *
 * Made once, whoever is first; a Secret that is there is used as it is. It is watched: a change is in force at once. One
 * that cannot be used is told, and what was in force stays; at a start, the controller waits for one that can.
 */
import type { Clock, Timer } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { isKubeStatus, type KubeClient, type KubeObject } from "../../kubernetes/kube-client.ts";
import type { KubeMetrics } from "../../kubernetes/kube-metrics.ts";
import { Reflector } from "../../kubernetes/reflector.ts";
import {
  type AuthorityMaterial,
  newAuthorityCertificate,
  newAuthorityKey,
  readAuthority,
} from "../authority-material.ts";
import type { AuthorityStore } from "../authority-store.ts";
import { timers } from "../limits.ts";
import type { ConfigMapObject } from "./cluster-objects.ts";
import { readIfThere } from "../../kubernetes/read-if-there.ts";

type OwnObject = "hawser-ca" | "hawser-ca-root";

export interface AuthoritySecretOptions {
  readonly client: Pick<KubeClient, "get" | "watch" | "create" | "patch">;
  readonly namespace: string;
  /** For the name of a new root. */
  readonly trustDomain: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** Of the watch. */
  readonly watchMetrics?: KubeMetrics;
  readonly countFailure?: (object: OwnObject) => void;
}

/** Of a Secret, in base64. */
type SecretData = Readonly<Record<string, string>>;

interface Secret extends KubeObject {
  readonly data?: SecretData;
}

const SECRET = "hawser-ca";
const ROOTS = "hawser-ca-root";
const ROOTS_KEY = "ca-root.pem";
const LABELS = { "app.kubernetes.io/name": "hawser" };

export class AuthoritySecret implements AuthorityStore {
  readonly #options: AuthoritySecretOptions;
  readonly #secrets: string;
  readonly #configMaps: string;
  readonly #mirror: Reflector<Secret, SecretData>;
  #onMaterial: (material: AuthorityMaterial) => void = () => {};
  /** One after the other: reading a key takes a moment. */
  #taking: Promise<void> = Promise.resolve();
  #rootsPem: string | undefined;
  #repair: Timer | undefined;
  #retry: Timer | undefined;
  #publishing: Promise<void> = Promise.resolve();
  /** Told last, of each object. */
  readonly #failures: Record<OwnObject, string> = { "hawser-ca": "", "hawser-ca-root": "" };
  #closed = false;

  constructor(options: AuthoritySecretOptions) {
    this.#options = options;
    this.#secrets = `/api/v1/namespaces/${options.namespace}/secrets`;
    this.#configMaps = `/api/v1/namespaces/${options.namespace}/configmaps`;
    const { watchMetrics: metrics, ...rest } = options;
    this.#mirror = new Reflector<Secret, SecretData>({
      ...rest,
      ...(metrics === undefined ? {} : { metrics }),
      path: this.#secrets,
      query: { fieldSelector: `metadata.name=${SECRET}` },
      reduce: ({ data = {} }) => data,
      onChange: (_key, data) => this.#found(data),
    });
  }

  get problem(): string {
    return this.#failures[SECRET];
  }

  /** Resolves once there is a usable authority, however long that takes. */
  async open(onChange: (material: AuthorityMaterial) => void): Promise<AuthorityMaterial> {
    const opened = new Promise<AuthorityMaterial>((resolve) => {
      this.#onMaterial = (material) => {
        this.#onMaterial = onChange;
        resolve(material);
      };
    });
    this.#mirror.start();
    await this.#mirror.synced;
    if (this.#mirror.size === 0) this.#found(undefined);
    this.#repair = this.#options.clock.every(timers.repairMs, () => this.#publishRoots());
    return await opened;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#repair?.cancel();
    this.#retry?.cancel();
    await this.#mirror.close();
    await this.#taking;
    await this.#publishing;
  }

  #found(data: SecretData | undefined): void {
    this.#taking = this.#taking.then(() => this.#take(data));
  }

  /** Never rejects. */
  async #take(data: SecretData | undefined): Promise<void> {
    // What was missing may have come while it waited its turn.
    if (this.#closed || (data === undefined && this.#mirror.size > 0)) return;
    try {
      if (data === undefined) {
        await this.#missing();
        return;
      }
      const material = await readAuthority(this.#texts(data), this.#options.clock.nowMs());
      this.#failures[SECRET] = "";
      this.#rootsPem = material.rootsPem;
      this.#publishRoots();
      this.#onMaterial(material);
    } catch (error) {
      this.#failed(
        SECRET,
        data === undefined ? "have a certificate authority" : "use the certificate authority",
        error,
      );
      // Nothing will be told of what is not there.
      if (data === undefined)
        this.#retry = this.#options.clock.after(timers.authorityRetryMs, () => this.#found(undefined));
    }
  }

  /**
   * Somebody deletes the Secret of a running mesh: another root behind the agents' backs would be an outage, also after a
   * restart. Published roots tell that there was an authority.
   */
  async #missing(): Promise<void> {
    const published = await readIfThere<ConfigMapObject>(this.#options.client, `${this.#configMaps}/${ROOTS}`);
    if (this.#rootsPem === undefined && published?.data?.[ROOTS_KEY] === undefined) {
      await this.#create();
      return;
    }
    const way = `restore it; or stop the controllers, delete the ConfigMap ${ROOTS} and start them, for a new root`;
    throw new Error(`the Secret was deleted; ${way}`);
  }

  /** What was made comes back by the watch, as does what another replica made first. */
  async #create(): Promise<void> {
    const { client, clock, log, trustDomain, namespace } = this.#options;
    const key = newAuthorityKey();
    const certificate = await newAuthorityCertificate({ text: key, place: "a new key" }, trustDomain, clock.nowMs());
    try {
      await client.create(this.#secrets, {
        apiVersion: "v1",
        kind: "Secret",
        type: "kubernetes.io/tls",
        metadata: { name: SECRET, namespace, labels: LABELS },
        data: { "tls.key": toBase64(key), "tls.crt": toBase64(certificate) },
      });
      log.info({ secret: `${namespace}/${SECRET}` }, "Certificate authority created");
    } catch (error) {
      if (!isKubeStatus(error, 409)) throw error;
      log.info({ secret: `${namespace}/${SECRET}` }, "Another replica has created the certificate authority");
    }
  }

  #texts(data: SecretData): Parameters<typeof readAuthority>[0] {
    const text = (key: string): { text: string; place: string } => ({
      text: Buffer.from(data[key] ?? "", "base64").toString(),
      place: `${key} of the Secret ${this.#options.namespace}/${SECRET}`,
    });
    return { key: text("tls.key"), certificate: text("tls.crt"), further: [text("ca.crt"), text("extra-roots.pem")] };
  }

  #publishRoots(): void {
    const rootsPem = this.#rootsPem;
    if (rootsPem === undefined || this.#closed) return;
    this.#publishing = this.#publishing.then(async () => {
      try {
        await this.#writeRoots(rootsPem);
        this.#failures[ROOTS] = "";
      } catch (error) {
        this.#failed(ROOTS, "publish the roots for agents", error);
      }
    });
  }

  async #writeRoots(rootsPem: string): Promise<void> {
    const { client, namespace } = this.#options;
    const data = { [ROOTS_KEY]: rootsPem };
    const path = `${this.#configMaps}/${ROOTS}`;
    const there = await readIfThere<ConfigMapObject>(client, path);
    if (there?.data?.[ROOTS_KEY] === rootsPem) return;
    if (there !== undefined) {
      await client.patch(path, "application/merge-patch+json", { data });
      return;
    }
    const metadata = { name: ROOTS, namespace, labels: LABELS };
    try {
      await client.create(this.#configMaps, { apiVersion: "v1", kind: "ConfigMap", metadata, data });
    } catch (error) {
      // Another replica: if it wrote something else, the next look repairs it.
      if (!isKubeStatus(error, 409)) throw error;
    }
  }

  /** A line when the reason is new. */
  #failed(object: OwnObject, what: string, error: unknown): void {
    this.#options.countFailure?.(object);
    const reason = `Cannot ${what}: ${describeError(error)}`;
    if (reason === this.#failures[object]) return;
    this.#failures[object] = reason;
    const facts = { object: `${this.#options.namespace}/${object}`, error: describeError(error) };
    this.#options.log.error(facts, `Cannot ${what}, what is in force stays`);
  }
}

function toBase64(text: string): string {
  return Buffer.from(text).toString("base64");
}
