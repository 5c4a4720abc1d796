/**
 * A real Kubernetes control plane as processes of the lab, in the fabric's namespaces:
 *
 *   etcd (loopback) <── kube-apiserver (fabric address :6443, TLS, RBAC) <── kube-controller-manager, kube-scheduler
 *
 * Everybody proves who he is by a token of a file, except ServiceAccounts, whose tokens the API server signs itself.
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import path from "node:path";
import type { Clock } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import { familyOf, hostAt } from "../cluster/addresses.ts";
import { Daemon } from "../cluster/daemon.ts";
import { readTail } from "../launcher/read-tail.ts";
import { kubeconfigText } from "./kubeconfig.ts";
import type { KubernetesAssets } from "./kubernetes-assets.ts";
import { makeServingCertificate } from "./serving-certificate.ts";

export interface ControlPlaneSettings {
  readonly assets: KubernetesAssets;
  readonly stateDir: string;
  /** Where nodes and pods reach the fabric; the first is the one that is advertised. */
  readonly fabricAddresses: readonly string[];
  readonly clock: Clock;
}

/** What everything else needs in order to speak to the API server. */
export interface ApiServerAccess {
  readonly server: string;
  readonly rootPem: string;
  readonly token: string;
  /** A file; the user may do everything. */
  readonly kubeconfig: string;
}

export const API_PORT = 6443;
const ETCD_PORT = 2379;
const ETCD_PEER_PORT = 2380;
/** Holds the ClusterIPs of the lab's documents; an IPv6 range may have 20 bits at most. */
const SERVICE_RANGES = { 4: "10.96.0.0/16", 6: "fd10:96::/112" } as const;
const ISSUER = "https://kubernetes.default.svc.cluster.local";
const POLL_MS = 50;
/** A cold start takes three seconds on two cores. */
const READY_TIMEOUT_MS = 40_000;

/** Users of the token file; RBAC's bootstrap policy knows the latter two. */
const USERS = {
  admin: { name: "lab-admin", groups: "system:masters" },
  "controller-manager": { name: "system:kube-controller-manager", groups: "" },
  scheduler: { name: "system:kube-scheduler", groups: "" },
} as const;
type UserKey = keyof typeof USERS;

/**
 * What a cluster of three nodes needs, by the names of kube-controller-manager. The life of nodes is left out: the lab's
 * kubelets renew no leases.
 */
const CONTROLLERS = [
  "daemonset-controller",
  "deployment-controller",
  "disruption-controller",
  "endpointslice-controller",
  "garbage-collector-controller",
  "namespace-controller",
  "replicaset-controller",
  "root-ca-certificate-publisher-controller",
  "serviceaccount-controller",
];

export class ControlPlane {
  readonly #settings: ControlPlaneSettings;
  readonly #tokens = Object.fromEntries(
    Object.keys(USERS).map((key) => [key, randomBytes(16).toString("hex")]),
  ) as Record<UserKey, string>;
  #rootPem = "";
  #apiServer: Daemon | undefined;

  constructor(settings: ControlPlaneSettings) {
    this.#settings = settings;
  }

  /** Resolves when the API server is ready. */
  async start(): Promise<void> {
    const { clock } = this.#settings;
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const certificate = await makeServingCertificate(this.#names, clock.nowMs());
    this.#rootPem = certificate.rootPem;
    this.#write("ca.pem", certificate.rootPem);
    this.#write("server.pem", certificate.certificatePem);
    this.#write("server-key.pem", certificate.keyPem);
    this.#writeServiceAccountKeys();
    this.#writeUsers();
    this.#startDaemon("etcd", this.#settings.assets.etcd, this.#etcdFlags);
    await this.startApiServer();
  }

  /** Once its users can be told apart: these two give up when they find no API server. */
  startControllers(): void {
    const { kubeControllerManager, kubeScheduler } = this.#settings.assets;
    if (kubeControllerManager !== undefined) {
      this.#startDaemon("kube-controller-manager", kubeControllerManager, this.#managerFlags);
    }
    if (kubeScheduler !== undefined) {
      this.#startDaemon("kube-scheduler", kubeScheduler, this.#schedulerFlags);
    }
  }

  get access(): ApiServerAccess {
    return {
      server: this.#server,
      rootPem: this.#rootPem,
      token: this.#tokens.admin,
      kubeconfig: this.#file("admin.kubeconfig"),
    };
  }

  /** ClusterIP and port of `default/kubernetes`: what in-cluster clients dial. */
  get service(): { readonly host: string; readonly port: number } {
    return { host: hostAt(this.#serviceRanges[0] ?? "", 1), port: 443 };
  }

  /** Also after `endApiServer` has taken it away: what etcd holds is there again. */
  async startApiServer(): Promise<void> {
    if (this.#apiServer?.state === "running") throw new HawserError("running", "The API server is running already");
    const daemon = this.#startDaemon("kube-apiserver", this.#settings.assets.kubeApiserver, this.#apiServerFlags);
    this.#apiServer = daemon;
    await this.#ready(daemon);
  }

  /** Resolves when the process is gone. */
  async endApiServer(signal: string): Promise<void> {
    this.#apiServer?.signal(signal);
    await this.#apiServer?.ended;
  }

  /** Forgets every older version of every object: whoever asks for changes since then is answered 410. */
  async compact(): Promise<void> {
    const post = async (what: string, body: object): Promise<{ header?: { revision?: string } }> => {
      const url = `http://127.0.0.1:${ETCD_PORT}/v3/kv/${what}`;
      const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
      return (await answer.json()) as { header?: { revision?: string } };
    };
    const { header } = await post("range", { key: Buffer.from("/registry/").toString("base64"), limit: 1 });
    await post("compaction", { revision: header?.revision, physical: true });
  }

  get #directory(): string {
    return path.join(this.#settings.stateDir, "kubernetes");
  }

  get #server(): string {
    const address = this.#settings.fabricAddresses[0] ?? "";
    return `https://${familyOf(address) === 6 ? `[${address}]` : address}:${API_PORT}`;
  }

  get #serviceRanges(): readonly string[] {
    return this.#settings.fabricAddresses.map((address) => SERVICE_RANGES[familyOf(address)]);
  }

  /** Under which the API server is dialled: the `kubernetes` Service has the first address of each range. */
  get #names(): readonly string[] {
    const service = [
      "kubernetes",
      "kubernetes.default",
      "kubernetes.default.svc",
      "kubernetes.default.svc.cluster.local",
    ];
    const clusterIps = this.#serviceRanges.map((range) => hostAt(range, 1));
    return ["localhost", "127.0.0.1", ...this.#settings.fabricAddresses, ...clusterIps, ...service];
  }

  get #etcdFlags(): readonly string[] {
    const client = `http://127.0.0.1:${ETCD_PORT}`;
    const peer = `http://127.0.0.1:${ETCD_PEER_PORT}`;
    return [
      `--data-dir=${this.#file("etcd")}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      // A lab's state does not outlive the machine.
      "--unsafe-no-fsync",
      "--log-level=warn",
    ];
  }

  get #apiServerFlags(): readonly string[] {
    const { fabricAddresses } = this.#settings;
    return [
      `--etcd-servers=http://127.0.0.1:${ETCD_PORT}`,
      `--secure-port=${API_PORT}`,
      `--bind-address=${fabricAddresses.some((address) => familyOf(address) === 6) ? "::" : "0.0.0.0"}`,
      `--advertise-address=${fabricAddresses[0]}`,
      `--tls-cert-file=${this.#file("server.pem")}`,
      `--tls-private-key-file=${this.#file("server-key.pem")}`,
      `--service-cluster-ip-range=${this.#serviceRanges.join(",")}`,
      "--authorization-mode=Node,RBAC",
      `--token-auth-file=${this.#file("tokens.csv")}`,
      `--service-account-issuer=${ISSUER}`,
      `--service-account-key-file=${this.#file("sa.pub")}`,
      `--service-account-signing-key-file=${this.#file("sa.key")}`,
      `--api-audiences=${ISSUER}`,
      "--allow-privileged",
      // It marks new nodes as not ready, and only the node lifecycle controller would take that away.
      "--disable-admission-plugins=TaintNodesByCondition",
      // Ends at once at SIGTERM, and does not keep watches open while it waits for others.
      "--shutdown-delay-duration=0s",
    ];
  }

  get #managerFlags(): readonly string[] {
    return [
      ...this.#clientFlags("controller-manager"),
      "--leader-elect=false",
      "--bind-address=127.0.0.1",
      `--cert-dir=${this.#file("controller-manager")}`,
      "--use-service-account-credentials",
      `--service-account-private-key-file=${this.#file("sa.key")}`,
      `--root-ca-file=${this.#file("ca.pem")}`,
      `--controllers=${CONTROLLERS.join(",")}`,
      // Stories make dozens of pods at once; the defaults are for clusters that share an API server with thousands.
      "--kube-api-qps=200",
      "--kube-api-burst=400",
    ];
  }

  get #schedulerFlags(): readonly string[] {
    return [...this.#clientFlags("scheduler"), "--leader-elect=false", "--bind-address=127.0.0.1"];
  }

  #clientFlags(user: UserKey): readonly string[] {
    const file = this.#file(`${user}.kubeconfig`);
    return ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"].map((flag) => `--${flag}=${file}`);
  }

  #writeServiceAccountKeys(): void {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#write("sa.pub", publicKey.export({ type: "spki", format: "pem" }));
    this.#write("sa.key", privateKey.export({ type: "sec1", format: "pem" }));
  }

  /** static-token-file: token, user, uid, groups. */
  #writeUsers(): void {
    const lines: string[] = [];
    for (const [key, { name, groups }] of Object.entries(USERS) as [UserKey, (typeof USERS)[UserKey]][]) {
      const token = this.#tokens[key];
      lines.push(`${token},${name},${name},"${groups}"`);
      const text = kubeconfigText({ server: this.#server, rootPem: this.#rootPem, name, token });
      this.#write(`${key}.kubeconfig`, text);
    }
    this.#write("tokens.csv", `${lines.join("\n")}\n`);
  }

  #startDaemon(name: string, program: string, flags: readonly string[]): Daemon {
    const logFile = path.join(this.#settings.stateDir, "logs", `${name}.log`);
    return new Daemon({ name, argv: [program, ...flags], environment: { HOME: this.#directory }, logFile });
  }

  async #ready(daemon: Daemon): Promise<void> {
    const { clock } = this.#settings;
    const deadlineMs = clock.monotonicMs() + READY_TIMEOUT_MS;
    while (!(await this.#isReady())) {
      if (daemon.exit !== undefined || clock.monotonicMs() > deadlineMs) {
        const what = daemon.exit === undefined ? "was not ready in time" : "ended at start";
        throw new HawserError("lab-failed", `kube-apiserver ${what}:\n${readTail(daemon.logFile)}`);
      }
      await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve));
    }
  }

  #isReady(): Promise<boolean> {
    const { server, rootPem, token } = this.access;
    return new Promise((resolve) => {
      const headers = { authorization: `Bearer ${token}` };
      const outgoing = request(`${server}/readyz`, { ca: rootPem, headers, agent: false }, (incoming) => {
        incoming.resume();
        resolve(incoming.statusCode === 200);
      });
      outgoing.on("error", () => resolve(false));
      outgoing.end();
    });
  }

  #file(name: string): string {
    return path.join(this.#directory, name);
  }

  #write(name: string, text: string): void {
    writeFileSync(this.#file(name), text, { mode: 0o600 });
  }
}
