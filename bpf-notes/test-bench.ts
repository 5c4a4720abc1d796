/** What every experiment works with: the lab with the host's view of it, and commands in its namespaces. */
import { HawserError } from "../core/errors.ts";
import { runCommand } from "../core/run-command.ts";
import { startLab } from "../lab/lab-client.ts";
import type { Lab } from "../lab/lab-client.ts";
import type { LabStatus } from "../lab/lab-status.ts";
import { enterCommand } from "../lab/launcher/enter-command.ts";
import { findLab } from "../lab/launcher/state-directory.ts";
import type { LabRecord } from "../lab/launcher/state-directory.ts";
import type { ExperimentCgroup } from "./experiment-cgroup.ts";
import { hostPid } from "./host-pids.ts";

export type NodeName = "node-1" | "node-2";
export type PodName = "client" | "near" | "far" | "reader";

export const NODES: readonly NodeName[] = ["node-1", "node-2"];
const COMMAND_TIMEOUT_MS = 60_000;

export class TestBench implements AsyncDisposable {
  readonly cgroup: ExperimentCgroup;
  readonly #lab: Lab;
  readonly #record: LabRecord;
  readonly #status: LabStatus;
  readonly agentPids: readonly number[];

  /** Says what only a doubter wants to know. */
  readonly note: (line: string) => void;

  private constructor(cgroup: ExperimentCgroup, lab: Lab, status: LabStatus, note: (line: string) => void) {
    this.cgroup = cgroup;
    this.note = note;
    this.#lab = lab;
    this.#record = findLab(lab.name);
    this.#status = status;
    this.agentPids = status.agents.map((agent) => hostPid(this.#record.initPid, agent.pid));
  }

  static async start(cgroup: ExperimentCgroup, file: string, note: (line: string) => void): Promise<TestBench> {
    const lab = await startLab({ file, logLevel: "warn" });
    try {
      return new TestBench(cgroup, lab, await lab.status(), note);
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /** Kills the lab: whatever runs in it fails, and the experiment unwinds. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab.stop();
  }

  address(pod: PodName): string {
    return this.#pod(pod).ips[0] ?? "";
  }

  /** The process that holds a node's or pod's namespaces, by the host's number. */
  holder(target: NodeName | PodName): number {
    const node = this.#status.nodes.find(({ name }) => name === target);
    return hostPid(this.#record.initPid, node?.pausePid ?? this.#pod(target as PodName).pausePid ?? 0);
  }

  agentPid(node: NodeName): number {
    const agent = this.#status.agents.find((one) => one.node === node);
    return hostPid(this.#record.initPid, agent?.pid ?? 0);
  }

  /** The (first) port of an agent's listener, out of its rules. */
  async listenerPort(node: NodeName, direction: "OUTBOUND" | "INBOUND"): Promise<number> {
    const rules = await this.onNode(node, ["iptables-nft", "-t", "mangle", "-S", `HAWSER-${direction}`]);
    const port = /--on-port (\d+)/.exec(rules)?.[1];
    if (port === undefined) throw new HawserError("no-listener", `No TPROXY rule in HAWSER-${direction} of ${node}`);
    return Number(port);
  }

  /** The node's end of a pod's veth. */
  async vethOf(pod: PodName): Promise<{ readonly name: string; readonly index: number; readonly podHardware: string }> {
    const [inside] = await this.#links(pod, "eth0");
    const outside = (await this.#links(this.#pod(pod).node as NodeName)).find(
      ({ ifindex }) => ifindex === inside?.link_index,
    );
    if (inside === undefined || outside === undefined) throw new HawserError("no-veth", `No veth of pod ${pod}`);
    return { name: outside.ifname, index: outside.ifindex, podHardware: inside.address };
  }

  /** A program of the host's, in the network namespace of a node or pod; fails unless it exits with 0. */
  async onNode(target: NodeName | PodName, argv: readonly string[]): Promise<string> {
    return output(["nsenter", "--target", `${this.holder(target)}`, "--net", "--", ...argv]);
  }

  /** A program in the client pod; `ownCgroup`: as a program attached to that pod's cgroup sees it. */
  inClient(argv: readonly string[], ownCgroup = false): Promise<string> {
    const command = enterCommand(this.#record, this.#pod("client").pausePid ?? 0, argv);
    return output(ownCgroup ? this.cgroup.clientCommand(command) : command);
  }

  #pod(name: PodName) {
    const pod = this.#status.pods.find((one) => one.name === name);
    if (pod === undefined) throw new HawserError("no-pod", `The lab has no pod ${name}`);
    return pod;
  }

  async #links(target: NodeName | PodName, device?: string): Promise<readonly Link[]> {
    const only = device === undefined ? [] : ["dev", device];
    return JSON.parse(await this.onNode(target, ["ip", "-j", "link", "show", ...only])) as readonly Link[];
  }
}

interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  readonly link_index?: number;
  readonly address: string;
}

async function output(argv: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(argv, { timeoutMs: COMMAND_TIMEOUT_MS });
  if (exitCode !== 0) throw new HawserError("command-failed", `${argv.join(" ")}: ${stderr.trim() || stdout.trim()}`);
  return stdout;
}
