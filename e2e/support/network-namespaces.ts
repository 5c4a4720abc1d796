/**
 * A private user, network and mount namespace for tests that need a real kernel: nothing on the host is touched, and all
 * of it is gone when the test's process is gone.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { type RunCommand, runCommand } from "../../core/run-command.ts";

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const SCRIPT = path.resolve(import.meta.dirname, "../pods/remote-sockets.ts");
// `cat` holds the namespaces for as long as our end of its standard input is open.
const HOLDER = "mount -t tmpfs tmpfs /run && ip link set lo up && iptables-nft -S >/dev/null && echo ready && exec cat";

export class NetworkNamespaces implements AsyncDisposable {
  readonly #holder: ChildProcess;
  readonly #sockets: RemoteSockets[] = [];

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  /** A text instead says why namespaces cannot be had here. */
  static async open(): Promise<NetworkNamespaces | string> {
    const argv = ["--user", "--map-root-user", "--net", "--mount", "sh", "-c", HOLDER];
    const holder = spawn("unshare", argv, { stdio: ["pipe", "pipe", "pipe"], env: { PATH } });
    let complaint = "";
    holder.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
    holder.on("error", (error) => (complaint += error.message));
    const ready = await Promise.race([once(holder.stdout, "data"), once(holder, "close").catch(() => [])]);
    if (!String(ready[0]).includes("ready")) return complaint.trim() || "unshare failed";
    return new NetworkNamespaces(holder);
  }

  /** Runs in the outermost namespace, or in a named one. */
  run(name?: string): RunCommand {
    return (argv, options) => runCommand(this.inside(argv, name), options);
  }

  /** The command line that runs this one inside. */
  inside(argv: readonly string[], name?: string): readonly string[] {
    return [...this.#enter(name), ...argv];
  }

  /** Like run, but fails unless the program exits with 0; what it printed. */
  async sh(script: string, name?: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(name)(["sh", "-e", "-c", script]);
    if (exitCode !== 0) throw new Error(`In ${name ?? "the outer namespace"}: ${script}\n${stderr}`);
    return stdout;
  }

  async sockets(name?: string): Promise<RemoteSockets> {
    const sockets = await RemoteSockets.start(this.inside([process.execPath, SCRIPT], name));
    this.#sockets.push(sockets);
    return sockets;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sockets.map((one) => one.kill()));
    this.#holder.stdin?.end();
    if (this.#holder.exitCode === null) await once(this.#holder, "close");
  }

  #enter(name: string | undefined): readonly string[] {
    const outer = [
      "nsenter",
      "--target",
      `${this.#holder.pid}`,
      "--user",
      "--preserve-credentials",
      "--net",
      "--mount",
    ];
    const inner = name === undefined ? [] : ["ip", "netns", "exec", name];
    return [...outer, "--", "env", `PATH=${PATH}`, ...inner];
  }
}

export interface Connected {
  /** `connected`, `timeout`, or an error code such as `ECONNREFUSED`, `ECONNRESET`. */
  readonly outcome: string;
  /** `label dialledAddress dialledPort peerAddress peerPort`, as the server saw it. */
  readonly greeting?: string;
  readonly connection?: number;
}

/** Sockets of a process inside a namespace (e2e/pods/remote-sockets.ts). */
export class RemoteSockets {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(argv: readonly string[]): Promise<RemoteSockets> {
    const [program = "", ...args] = argv;
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    const sockets = new RemoteSockets(child);
    createInterface({ input: child.stdout }).on("line", (line) => sockets.#answer(line));
    child.on("close", () => sockets.#ended());
    return sockets;
  }

  listen(label: string, port: number): Promise<{ port: number }> {
    return this.#call("listen", { label, port });
  }

  /** As an agent does, at so many consecutive ports; the first of them. */
  listenAsAgent(label: string, agent: { mark: number; ports: number }): Promise<{ port: number }> {
    return this.#call("listen", { label, port: 0, agent });
  }

  connect(
    address: string,
    port: number,
    options: { timeoutMs?: number; from?: { address: string; port: number; mark: number }; localPort?: number } = {},
  ): Promise<Connected> {
    return this.#call("connect", { address, port, timeoutMs: 1_500, ...options });
  }

  /** What came back: `data <text>`, `end`, `closed`, an error code, or `timeout`. */
  async send(connection: number | undefined, text: string, timeoutMs = 1_500): Promise<string> {
    const { outcome } = await this.#call<{ outcome: string }>("send", { connection, text, timeoutMs });
    return outcome.trim();
  }

  /** As send, but on the last connection that a server of this process accepted. */
  async sendFromServer(text: string, timeoutMs = 1_500): Promise<string> {
    const { outcome } = await this.#call<{ outcome: string }>("sendFromServer", { text, timeoutMs });
    return outcome.trim();
  }

  close(connection: number | undefined): Promise<unknown> {
    return this.#call("close", { connection });
  }

  /** As a crash. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "close");
  }

  #call<T>(method: string, params: unknown): Promise<T> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#child.stdin?.write(`${JSON.stringify({ id, method, params })}\n`);
    return answer as Promise<T>;
  }

  #answer(line: string): void {
    const { id, result, error } = JSON.parse(line) as { id: number; result?: unknown; error?: string };
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }

  #ended(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error("The process of these sockets has ended"));
    this.#waiting.clear();
  }
}
