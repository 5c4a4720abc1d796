/** The lives of a lab's controller and agents: waiting until they are ready, gone, or agree with each other. */
import type { Lab } from "../../lab/lab-client.ts";
import type { LabAgentStatus } from "../../lab/lab-status.ts";
import { parsePrometheusText } from "../../lab/report/prometheus-text.ts";
import { eventually } from "./eventually.ts";
import { logRecords } from "./process-log.ts";

export interface AgentName {
  readonly node: string;
  /** `1` unless started with another name. */
  readonly instance?: string;
}

/** Generous: other stories may have the machine as well. */
const READY_MS = 20_000;

export function agentLogFile({ node, instance = "1" }: AgentName): string {
  return instance === "1" ? `agent-${node}.log` : `agent-${node}.${instance}.log`;
}

/**
 * Resolves when this very process has said that it is ready. Its own word counts: two agents of a node are one to the
 * controller, and a controller that is away knows nothing.
 */
export async function agentReady(lab: Lab, started: LabAgentStatus): Promise<void> {
  await eventually(`the agent of ${started.node} to be ready`, { timeoutMs: READY_MS }, () => {
    const records = logRecords(lab, agentLogFile(started));
    const begin = records.findIndex(
      ({ event, instance }) => event === "starting" && String(instance).startsWith(`${started.pid}-`),
    );
    return begin >= 0 && records.slice(begin).some(({ event }) => event === "ready");
  });
}

export async function startReadyAgent(lab: Lab, name: AgentName): Promise<LabAgentStatus> {
  const started = await lab.call("startAgent", name);
  await agentReady(lab, started);
  return started;
}

/** `timeoutMs`: SIGTERM waits for connections, up to the drain time of 25 s. */
export async function endAgent(
  lab: Lab,
  name: AgentName,
  signal: "SIGTERM" | "SIGKILL",
  timeoutMs = 30_000,
): Promise<LabAgentStatus> {
  await lab.call("signalAgent", { ...name, signal });
  return agentEnded(lab, name, timeoutMs);
}

export function agentEnded(lab: Lab, { node, instance = "1" }: AgentName, timeoutMs: number): Promise<LabAgentStatus> {
  return eventually(`agent ${instance} of ${node} to end`, { timeoutMs }, async () => {
    const { agents } = await lab.status();
    return agents.find((agent) => agent.node === node && agent.instance === instance && agent.state === "exited");
  });
}

export async function killController(lab: Lab): Promise<void> {
  await lab.call("signalController", { signal: "SIGKILL" });
  await eventually("the controller to be gone", { timeoutMs: 5_000 }, async () => {
    return (await lab.status()).controller?.state === "exited";
  });
}

export async function startReadyController(lab: Lab): Promise<void> {
  await lab.call("startController", {});
  await eventually("the controller to be ready", { timeoutMs: READY_MS }, async () => {
    return (await lab.call("controllerHttp", { path: "/readyz" })).status === 200;
  });
}

/** Resolves with the table's sequence when every running agent has it in force. `after`: it must be a later one. */
export function converged(lab: Lab, after = 0): Promise<number> {
  return eventually("all agents to have the controller's table", { timeoutMs: READY_MS }, async () => {
    const { controller, agents } = await lab.status();
    const sequence = controller?.sequence ?? 0;
    const running = agents.filter((agent) => agent.state === "running");
    return sequence > after && running.every((agent) => agent.appliedSequence === sequence) && sequence;
  });
}

/** Sum of a metric's samples with these labels, of a node's agent or of the controller. */
export async function metricOf(
  lab: Lab,
  of: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const path = "/metrics";
  const answer = of === "controller" ? lab.call("controllerHttp", { path }) : lab.call("nodeHttp", { node: of, path });
  const samples = parsePrometheusText((await answer).body, name).filter((sample) => sample.name === name);
  const wanted = Object.entries(labels);
  return samples
    .filter((sample) => wanted.every(([key, value]) => sample.labels[key] === value))
    .reduce((sum, sample) => sum + sample.value, 0);
}
