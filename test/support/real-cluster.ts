/**
 * A real API server with what `daemonset/` gives to the controller: its namespace, its ServiceAccounts, exactly its rights.
 * Nodes and pods are written by hand, controllers are processes with the token of their ServiceAccount.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseAllDocuments } from "yaml";
import type { ControllerStatus } from "../../controller/controller-status.ts";
import type { HttpKubeClient } from "../../kubernetes/http-kube-client.ts";
import type { KubeObject } from "../../kubernetes/kube-client.ts";
import { eventually } from "./eventually.ts";
import { RealApiServer } from "./real-api-server.ts";

const NAMESPACE = "hawser-system";
const MANIFESTS = ["00-namespace.yaml", "10-service-accounts.yaml", "20-rbac.yaml"];
const COLLECTIONS: Readonly<Record<string, string>> = {
  Namespace: "/api/v1/namespaces",
  ServiceAccount: `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`,
  ClusterRole: "/apis/rbac.authorization.k8s.io/v1/clusterroles",
  ClusterRoleBinding: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
  Role: `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}/roles`,
  RoleBinding: `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}/rolebindings`,
};
const START_MS = 60_000;

export interface TokenWish {
  readonly namespace?: string;
  readonly account?: string;
  readonly audience?: string;
  /** Undefined: bound to nothing. */
  readonly pod?: KubeObject;
}

export class RealCluster {
  readonly server: RealApiServer;
  readonly admin: HttpKubeClient;
  readonly #directory: string;
  readonly #controllers: ControllerProcess[] = [];
  #controllerKubeconfig = "";

  private constructor(server: RealApiServer, admin: HttpKubeClient, directory: string) {
    this.#directory = directory;
    this.server = server;
    this.admin = admin;
  }

  static async start(assets: string): Promise<RealCluster> {
    const server = await RealApiServer.start(assets);
    const cluster = new RealCluster(server, await server.client(), await mkdtemp(join(tmpdir(), "hawser-test-")));
    await cluster.#applyManifests();
    return cluster;
  }

  async close(): Promise<void> {
    await Promise.all(this.#controllers.map((controller) => controller.kill("SIGKILL")));
    await rm(this.#directory, { recursive: true });
    this.admin.close();
    await this.server.close();
  }

  async addNode(name: string, number: number, taints: readonly object[] = []): Promise<void> {
    await this.admin.create("/api/v1/nodes", {
      metadata: { name },
      spec: { podCIDR: `10.244.${number}.0/24`, podCIDRs: [`10.244.${number}.0/24`], taints },
      status: { addresses: [{ type: "InternalIP", address: `172.30.0.1${number}` }] },
    });
  }

  /** With an address it runs, and is ready. */
  async addPod(namespace: string, name: string, node: string, address?: string): Promise<KubeObject> {
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const spec = {
      nodeName: node,
      serviceAccountName: namespace === NAMESPACE ? "hawser-agent" : name,
      containers: [{ name: "main", image: "none" }],
    };
    const pod = await this.admin.create<KubeObject>(path, { metadata: { name }, spec });
    if (address === undefined) return pod;
    const conditions = [{ type: "Ready", status: "True" }];
    const status = { phase: "Running", podIP: address, podIPs: [{ ip: address }], conditions };
    await this.admin.patch(`${path}/${name}/status`, "application/merge-patch+json", { status });
    return pod;
  }

  async addNamespace(name: string): Promise<void> {
    await this.admin.create("/api/v1/namespaces", { metadata: { name } });
  }

  /** As kubelet asks for it, for a projected volume. */
  async token(wish: TokenWish = {}): Promise<string> {
    const { namespace = NAMESPACE, account = "hawser-agent", audience = "hawser", pod } = wish;
    const { name, uid } = pod?.metadata ?? {};
    const bound = pod === undefined ? {} : { boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid } };
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
    const request = { spec: { audiences: audience === "" ? [] : [audience], expirationSeconds: 3_600, ...bound } };
    const answer = await this.admin.create<{ status: { token: string } }>(path, request);
    return answer.status.token;
  }

  get<T extends object>(path: string): Promise<T> {
    return this.admin.get<T>(path);
  }

  /** Not started yet. */
  async controller(name: string): Promise<ControllerProcess> {
    const directory = join(this.#directory, name);
    await mkdir(join(directory, "state"), { recursive: true });
    await writeFile(join(directory, "kubeconfig"), this.#controllerKubeconfig);
    const controller = new ControllerProcess(name, directory);
    this.#controllers.push(controller);
    return controller;
  }

  async #applyManifests(): Promise<void> {
    for (const file of MANIFESTS) {
      const text = readFileSync(new URL(`../../daemonset/${file}`, import.meta.url), "utf8");
      for (const document of parseAllDocuments(text)) {
        const object = document.toJS() as KubeObject;
        await this.admin.create(COLLECTIONS[object.kind ?? ""] ?? "", object);
      }
    }
    const token = await this.token({ account: "hawser-controller", audience: "" });
    const kubeconfig = JSON.parse(readFileSync(this.server.kubeconfigFile, "utf8")) as object;
    this.#controllerKubeconfig = JSON.stringify({ ...kubeconfig, users: [{ name: "u", user: { token } }] });
  }
}

const MAIN = new URL("../../controller/main.ts", import.meta.url).pathname;

export class ControllerProcess {
  readonly lines: Record<string, unknown>[] = [];
  readonly #name: string;
  readonly #directory: string;
  #child: ChildProcess | undefined;
  /** Lines of earlier lives. */
  #oldLines = 0;
  #adminPort = 0;
  #channelPort = 0;

  constructor(name: string, directory: string) {
    this.#name = name;
    this.#directory = directory;
  }

  /** Starts it, and does not wait. */
  spawn(): void {
    this.#oldLines = this.lines.length;
    const flags = ["--source", "kubernetes", "--state", join(this.#directory, "state")];
    const ports = ["--listen", `127.0.0.1:${this.#channelPort}`, "--admin", `0.0.0.0:${this.#adminPort}`];
    this.#child = spawn(process.execPath, [MAIN, ...flags, ...ports], {
      env: { ...process.env, KUBECONFIG: join(this.#directory, "kubeconfig") },
      stdio: ["ignore", "pipe", "inherit"],
    });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on("line", (line) =>
      this.lines.push(JSON.parse(line) as Record<string, unknown>),
    );
  }

  async listening(): Promise<void> {
    const line = await eventually(
      `${this.#name} listens`,
      () => this.lines.slice(this.#oldLines).find(({ event }) => event === "listening"),
      START_MS,
    );
    this.#channelPort = Number(line["port"]);
    this.#adminPort = Number(line["adminPort"]);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  get url(): string {
    return `wss://127.0.0.1:${this.#channelPort}`;
  }

  get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#adminPort}${path}`);
  }

  async status(): Promise<ControllerStatus & { readonly leader: boolean; readonly holder: string | undefined }> {
    return (await (await this.get("/status")).json()) as Awaited<ReturnType<ControllerProcess["status"]>>;
  }

  async metric(line: string): Promise<number> {
    const text = await (await this.get("/metrics")).text();
    const found = text.split("\n").find((candidate) => candidate.startsWith(`${line} `));
    return Number(found?.slice(line.length + 1) ?? 0);
  }

  said(pattern: RegExp): boolean {
    return this.lines.some((line) => pattern.test(JSON.stringify(line)));
  }
}
