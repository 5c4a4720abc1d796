/**
 * The mesh's own processes in the lab: one controller in the fabric, agents in the nodes, started with the same
 * flags and environment as in a cluster.
 */
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { agentNodeFlags, controllerNodeFlags } from "../../build/node-flags.ts";
import type { Clock } from "../../core/clock.ts";
import { HawserError } from "../../core/errors.ts";
import { CONTROL_PORT, CONTROLLER_ADMIN_PORT } from "../../protocol/ports.ts";
import type { EncryptionMode } from "../../protocol/table.ts";
import { enterSandboxCommand } from "../launcher/enter-command.ts";
import { meshProgram } from "../launcher/mesh-programs.ts";
import { readTail } from "../launcher/read-tail.ts";
import type { LabAgentStatus, LabControllerStatus, LabHttpAnswer, LabSettings } from "../lab-status.ts";
import { coveringCidr, familyOf } from "./addresses.ts";
import { Daemon } from "./daemon.ts";
import { namespaceHttpGet } from "./namespace-http.ts";
import type { NamespaceSockets } from "./namespace-socket.ts";
import type { ClusterNode } from "./node.ts";

export interface MeshSettings {
  readonly lab: LabSettings;
  readonly documentsDir: string;
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  /** Where the controller listens for agents. */
  readonly fabricAddresses: readonly string[];
  readonly encryption: EncryptionMode;
  readonly sockets: NamespaceSockets;
  readonly clock: Clock;
}

/** What the controller's `/status` says, as far as the lab reads it. */
interface ControllerReport {
  readonly sequence?: number;
  readonly settled?: boolean;
  readonly agents?: readonly {
    readonly node: string;
    readonly instance?: string;
    readonly applied?: number;
    readonly ready?: boolean;
  }[];
}

interface Agent {
  readonly node: string;
  readonly instance: string;
  readonly daemon: Daemon;
}

const POLL_MS = 40;
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export class MeshProcesses {
  readonly #settings: MeshSettings;
  readonly #agents: Agent[] = [];
  #controller: Daemon | undefined;

  constructor(settings: MeshSettings) {
    this.#settings = settings;
    mkdirSync(this.#controllerState, { recursive: true, mode: 0o700 });
  }

  startController(): Daemon {
    if (this.#controller?.state === "running") throw new HawserError("running", "The controller is running already");
    const { lab, documentsDir, fabricAddresses } = this.#settings;
    const program = [process.execPath, ...controllerNodeFlags, meshProgram(lab.stateDir, "controller")];
    const directories = ["--documents", documentsDir, "--state", this.#controllerState];
    const admin = ["--admin", `127.0.0.1:${CONTROLLER_ADMIN_PORT}`, "--log-level", lab.logLevel];
    const names = fabricAddresses.flatMap((address) => ["--server-name", address]);
    this.#controller = new Daemon({
      name: "controller",
      argv: [...program, ...directories, ...admin, ...names],
      environment: { PATH: SYSTEM_PATH, HOME: "/run" },
      logFile: path.join(lab.stateDir, "logs/controller.log"),
    });
    return this.#controller;
  }

  /** Resolves when agents could join: as in a cluster, where the Secrets exist before the DaemonSet. */
  async controllerReady(timeoutMs: number): Promise<void> {
    const wanted = [this.#rootsFile, ...[...this.#settings.nodes.keys()].map((node) => this.#tokenFile(node))];
    await this.#until(timeoutMs, "the controller to be ready", async () => {
      if (this.#controller?.exit !== undefined) throw endedAtStart(this.#controller);
      if (!wanted.every((file) => existsSync(file))) return false;
      return (await this.controllerHttp("/readyz")).status === 200;
    });
  }

  /** Several agents of a node are told apart by `instance`; they share the node's state directory. */
  startAgent(nodeName: string, instance = "1"): LabAgentStatus {
    const { lab } = this.#settings;
    const node = this.#settings.nodes.get(nodeName);
    if (node === undefined) throw new HawserError("no-node", `There is no node ${nodeName}`);
    const previous = this.#find(nodeName, instance);
    if (previous?.daemon.state === "running") {
      throw new HawserError("running", `Agent ${instance} of ${nodeName} is running already`);
    }
    if (previous !== undefined) this.#agents.splice(this.#agents.indexOf(previous), 1);
    const logName = instance === "1" ? `agent-${nodeName}.log` : `agent-${nodeName}.${instance}.log`;
    const flags = [...agentNodeFlags, ...(lab.agentNodeFlags ?? [])];
    const program = [process.execPath, ...flags, meshProgram(lab.stateDir, "agent")];
    const agent: Agent = {
      node: nodeName,
      instance,
      daemon: new Daemon({
        name: `agent ${instance} of ${nodeName}`,
        argv: enterSandboxCommand(node.sandbox.pid, program),
        environment: this.#agentEnvironment(node),
        logFile: path.join(lab.stateDir, "logs", logName),
      }),
    };
    this.#agents.push(agent);
    return this.#agentStatus(agent, {});
  }

  signalAgent(node: string, instance: string | undefined, signal: string): void {
    const agent = this.#find(node, instance ?? "1");
    if (agent === undefined) throw new HawserError("no-agent", `No agent ${instance ?? "1"} was started on ${node}`);
    agent.daemon.signal(signal);
  }

  signalController(signal: string): void {
    if (this.#controller === undefined) throw new HawserError("no-controller", "The controller was not started");
    this.#controller.signal(signal);
  }

  /** Resolves when every running agent is ready and has applied the controller's latest table. */
  async agentsReady(timeoutMs: number): Promise<void> {
    let waitingFor = "the agents";
    const describe = (): string => waitingFor;
    await this.#until(timeoutMs, describe, async () => {
      const report = await this.#report();
      const lagging = this.#agents
        .map((agent) => this.#agentStatus(agent, report))
        .filter((status) => !status.ready || !status.upToDate);
      waitingFor = `the agents to be ready and up to date: ${lagging.map((status) => status.node).join(", ")}`;
      this.#failIfEnded();
      return report.settled === true && lagging.length === 0;
    });
  }

  /** Resolves when every node with an agent refuses what the agent would refuse before it has a table. */
  async agentsGuard(timeoutMs: number): Promise<void> {
    const program = `iptables-${this.#settings.lab.backend}-save`;
    await this.#until(timeoutMs, "the agents' guard rules", async () => {
      this.#failIfEnded();
      const nodes = this.#agents
        .map((agent) => this.#settings.nodes.get(agent.node))
        .filter((node) => node !== undefined);
      const dumps = await Promise.all(nodes.map((node) => node.sandbox.run([program])));
      return dumps.every((dump) => dump.includes("HAWSER"));
    });
  }

  async agentStatuses(): Promise<readonly LabAgentStatus[]> {
    const report = await this.#report();
    const statuses = this.#agents.map((agent) => this.#agentStatus(agent, report));
    return statuses.sort((a, b) => a.node.localeCompare(b.node) || a.instance.localeCompare(b.instance));
  }

  async controllerStatus(): Promise<LabControllerStatus | undefined> {
    const controller = this.#controller;
    if (controller === undefined) return undefined;
    const { sequence } = await this.#report();
    return {
      pid: controller.pid,
      state: controller.state,
      ...(sequence === undefined ? {} : { sequence }),
      ...controller.usage,
    };
  }

  controllerHttp(requestPath: string): Promise<LabHttpAnswer> {
    return namespaceHttpGet(this.#settings.sockets, process.pid, CONTROLLER_ADMIN_PORT, requestPath);
  }

  get #controllerState(): string {
    return path.join(this.#settings.lab.stateDir, "controller");
  }

  get #rootsFile(): string {
    return path.join(this.#controllerState, "ca-root.pem");
  }

  #tokenFile(node: string): string {
    return path.join(this.#controllerState, "tokens", node);
  }

  #agentEnvironment(node: ClusterNode): Readonly<Record<string, string>> {
    const { lab, nodes, fabricAddresses, encryption } = this.#settings;
    const stateDir = path.join(lab.stateDir, "agents", node.name);
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const podCidrs = [...nodes.values()].flatMap((one) => one.entry.podCidrs);
    const clusterCidrs = ([4, 6] as const)
      .map((family) => coveringCidr(podCidrs.filter((cidr) => familyOf(cidr) === family)))
      .filter((cidr) => cidr !== undefined);
    return {
      PATH: SYSTEM_PATH,
      HOME: "/run",
      HAWSER_NODE: node.name,
      HAWSER_STATE_DIR: stateDir,
      HAWSER_CONTROLLER: fabricAddresses.map((address) => `wss://${hostInUrl(address)}:${CONTROL_PORT}`).join(","),
      HAWSER_TOKEN_FILE: this.#tokenFile(node.name),
      HAWSER_CA_FILE: this.#rootsFile,
      HAWSER_CLUSTER_CIDRS: clusterCidrs.join(","),
      HAWSER_NODE_CIDRS: node.entry.podCidrs.join(","),
      HAWSER_ADMIN: "127.0.0.1:15000",
      HAWSER_WORKERS: `${lab.workers}`,
      HAWSER_LOG_LEVEL: lab.logLevel,
      HAWSER_ENCRYPTION_BEFORE_TABLE: encryption,
      HAWSER_INTERCEPT: lab.intercept ?? "auto",
    };
  }

  #find(node: string, instance: string): Agent | undefined {
    return this.#agents.find((agent) => agent.node === node && agent.instance === instance);
  }

  #agentStatus({ node, instance, daemon }: Agent, report: ControllerReport): LabAgentStatus {
    // An agent calls itself `<pid>-<random>`: two of a node, or one that has just been restarted, are not confused.
    const seen = report.agents?.find((one) => one.node === node && one.instance?.startsWith(`${daemon.pid}-`));
    const running = daemon.state === "running";
    return {
      node,
      instance,
      pid: daemon.pid,
      state: daemon.state,
      ready: running && seen?.ready === true,
      ...(seen?.applied === undefined ? {} : { appliedSequence: seen.applied }),
      upToDate: seen?.applied !== undefined && seen.applied === report.sequence,
      ...daemon.usage,
      ...(daemon.exit === undefined ? {} : { exit: daemon.exit }),
    };
  }

  async #report(): Promise<ControllerReport> {
    if (this.#controller?.state !== "running") return {};
    try {
      return JSON.parse((await this.controllerHttp("/status")).body) as ControllerReport;
    } catch {
      return {};
    }
  }

  #failIfEnded(): void {
    const ended = this.#agents.find((agent) => agent.daemon.exit !== undefined);
    if (ended !== undefined) throw endedAtStart(ended.daemon);
  }

  async #until(timeoutMs: number, what: string | (() => string), done: () => Promise<boolean>): Promise<void> {
    const { clock } = this.#settings;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    while (!(await done().catch(rethrowUnlessConnection))) {
      if (clock.monotonicMs() > deadlineMs) {
        const message = typeof what === "string" ? what : what();
        throw new HawserError("lab-failed", `Waited ${timeoutMs / 1000} s for ${message}`);
      }
      await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve));
    }
  }
}

/** Nobody answers yet: not done. Anything of ours is a verdict. */
function rethrowUnlessConnection(error: unknown): boolean {
  if (error instanceof HawserError) throw error;
  return false;
}

function endedAtStart(daemon: Daemon): HawserError {
  return new HawserError("lab-failed", `The ${daemon.name} ended at start:\n${readTail(daemon.logFile)}`);
}

function hostInUrl(address: string): string {
  return familyOf(address) === 6 ? `[${address}]` : address;
}
