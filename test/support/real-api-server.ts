/**
 * A real API server for a test, out of the folder in KUBEBUILDER_ASSETS (the convention of envtest: kube-apiserver and etcd
 * lie in it). It listens on free ports of the loopback, keeps its data in a temporary directory, and can be killed and
 * started again on the same data.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { openSync } from "node:fs";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isKubeStatus } from "../../kubernetes/kube-client.ts";
import type { HttpKubeClient } from "../../kubernetes/http-kube-client.ts";
import { openKubeClient } from "../../kubernetes/open-kube-client.ts";
import { eventually } from "./eventually.ts";

/** Undefined: there is none on this machine. */
export function apiServerAssets(): string | undefined {
  const folder = process.env["KUBEBUILDER_ASSETS"];
  return folder === "" ? undefined : folder;
}

/** An API server with an empty etcd writes its own objects first. */
const START_MS = 60_000;

export class RealApiServer {
  readonly kubeconfigFile: string;
  readonly #assets: string;
  readonly #directory: string;
  readonly #ports: readonly [server: number, etcd: number, peer: number];
  #etcd: ChildProcess | undefined;
  #server: ChildProcess | undefined;

  private constructor(assets: string, directory: string, ports: readonly [number, number, number]) {
    this.#assets = assets;
    this.#directory = directory;
    this.#ports = ports;
    this.kubeconfigFile = join(directory, "admin.kubeconfig");
  }

  /** To be closed by the caller. */
  static async start(assets: string, flags: readonly string[] = []): Promise<RealApiServer> {
    await access(join(assets, "kube-apiserver"));
    const directory = await mkdtemp(join(tmpdir(), "hawser-test-"));
    const ports = [await freePort(), await freePort(), await freePort()] as const;
    const server = new RealApiServer(assets, directory, ports);
    await server.#writeFiles();
    server.#startEtcd();
    await server.startServer(flags);
    return server;
  }

  /** A client with all rights; not closed by anybody. */
  client(): Promise<HttpKubeClient> {
    return openKubeClient({ kubeconfig: this.kubeconfigFile, environment: {} });
  }

  async startServer(flags: readonly string[] = []): Promise<void> {
    const [port, etcdPort] = this.#ports;
    const file = (name: string): string => join(this.#directory, name);
    this.#server = this.#spawn("kube-apiserver", [
      `--etcd-servers=http://127.0.0.1:${etcdPort}`,
      `--secure-port=${port}`,
      "--bind-address=127.0.0.1",
      `--cert-dir=${file("pki")}`,
      "--service-cluster-ip-range=10.96.0.0/16",
      "--authorization-mode=RBAC",
      `--token-auth-file=${file("tokens.csv")}`,
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${file("sa.pub")}`,
      `--service-account-signing-key-file=${file("sa.key")}`,
      "--disable-admission-plugins=ServiceAccount",
      ...flags,
    ]);
    const client = await this.client();
    // The namespace is the last thing it makes for itself.
    await eventually("the API server is ready", () => this.#isReady(client), START_MS);
    client.close();
  }

  /** As a crash does. */
  async killServer(): Promise<void> {
    await end(this.#server);
  }

  async close(): Promise<void> {
    await end(this.#server);
    await end(this.#etcd);
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #isReady(client: HttpKubeClient): Promise<boolean> {
    try {
      await client.get("/api/v1/namespaces/default");
      return true;
    } catch (error) {
      if (this.#server?.exitCode !== null && !isKubeStatus(error, 404)) {
        const log = await readFile(join(this.#directory, "kube-apiserver.log"), "utf8");
        throw new Error(`The API server ended: ${log}`, { cause: error });
      }
      return false;
    }
  }

  #startEtcd(): void {
    const [, port, peer] = this.#ports;
    const client = `http://127.0.0.1:${port}`;
    const cluster = `http://127.0.0.1:${peer}`;
    this.#etcd = this.#spawn("etcd", [
      `--data-dir=${join(this.#directory, "etcd")}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${cluster}`,
      `--initial-advertise-peer-urls=${cluster}`,
      `--initial-cluster=default=${cluster}`,
      "--unsafe-no-fsync",
      "--log-level=error",
    ]);
  }

  #spawn(program: string, flags: readonly string[]): ChildProcess {
    const log = openSync(join(this.#directory, `${program}.log`), "a");
    return spawn(join(this.#assets, program), flags, { stdio: ["ignore", log, log] });
  }

  async #writeFiles(): Promise<void> {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const [port] = this.#ports;
    const kubeconfig = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "c", cluster: { server: `https://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
      users: [{ name: "u", user: { token: "admin-token" } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    };
    const write = (name: string, text: string): Promise<void> => writeFile(join(this.#directory, name), text);
    await Promise.all([
      write("sa.key", privateKey.export({ type: "sec1", format: "pem" })),
      write("sa.pub", publicKey.export({ type: "spki", format: "pem" })),
      write("tokens.csv", "admin-token,admin,admin,system:masters\n"),
      write("admin.kubeconfig", JSON.stringify(kubeconfig)),
    ]);
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
