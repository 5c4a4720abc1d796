/** `hawser lab status` as text (pure): one block per kind, columns aligned. */
import type { LabStatus } from "../lab/lab-status.ts";
import { columns } from "./columns.ts";

export function renderLabStatus(status: LabStatus): string {
  const mesh = status.mesh ? `mesh ${status.encryption ?? ""}` : "no mesh";
  const ready = status.readySeconds === undefined ? status.detail : `ready after ${status.readySeconds.toFixed(1)} s`;
  return [
    `lab ${status.name}: ${mesh}, ${ready}`,
    ...(status.kubernetes === undefined ? [] : [`kubeconfig ${status.kubernetes.kubeconfig} (inside the lab)`]),
    "",
    ...columns(["NODE", "ADDRESSES", "POD CIDRS"], nodeRows(status)),
    ...(status.mesh ? ["", ...columns(["PROCESS", "PID", "STATE", "TABLE", "MB", "CPU S"], processRows(status))] : []),
    "",
    ...columns(["POD", "NODE", "STATE", "IPS", ""], podRows(status)),
  ].join("\n");
}

function nodeRows(status: LabStatus): readonly (readonly string[])[] {
  return status.nodes.map((node) => [node.name, node.addresses.join(" "), node.podCidrs.join(" ")]);
}

function processRows({ agents, controller }: LabStatus): readonly (readonly string[])[] {
  const rows = agents.map((agent) => [
    `agent ${agent.node}${agent.instance === "1" ? "" : ` (${agent.instance})`}`,
    `${agent.pid}`,
    agent.ready ? "ready" : agent.state,
    `${agent.appliedSequence ?? "-"}`,
    agent.rssMb.toFixed(0),
    agent.cpuSeconds.toFixed(1),
  ]);
  if (controller === undefined) return rows;
  const { pid, state, sequence, rssMb, cpuSeconds } = controller;
  return [["controller", `${pid}`, state, `${sequence ?? "-"}`, rssMb.toFixed(0), cpuSeconds.toFixed(1)], ...rows];
}

function podRows(status: LabStatus): readonly (readonly string[])[] {
  return status.pods.map((pod) => [pod.uid, pod.node, pod.state, pod.ips.join(" "), pod.reason ?? ""]);
}
