/** The report of a lab as one JSON document: who is there, what flowed how, what the wire showed, and the verdict. */
import type { LabFlow, LabReport } from "../lab-status.ts";
import { percentileMs } from "../shop/latency-histogram.ts";
import { findProblems } from "./find-problems.ts";
import { type FlowRow, flowTable } from "./flow-table.ts";
import { type LabObservation, type ObservedLab, observeLab } from "./lab-observation.ts";

/** The launcher adds `leftovers` after the end, and then judges `ok` once more. */
export type RunningLabReport = Omit<LabReport, "leftovers"> & {
  readonly ok: boolean;
  readonly flows: readonly ReportedFlow[];
};

/** A pair has two flows when its service has pods on the client's node and on others. */
export interface ReportedFlow extends LabFlow {
  readonly crossNode: boolean;
  /** Both ways, as the applications see them. */
  readonly bytes: number;
}

/** Rejects only when the lab does not answer at all. */
export async function buildReport(lab: ObservedLab): Promise<RunningLabReport> {
  return reportOf(await observeLab(lab, Date.now()));
}

export function reportOf(observation: LabObservation): RunningLabReport {
  const { status, wire } = observation;
  const rows = flowTable(observation);
  const nearby = rows.filter((row) => !row.crossNode);
  const intraNode = {
    requests: nearby.reduce((sum, row) => sum + row.requests, 0),
    seenByAgent: localConnections(observation),
  };
  const problems = findProblems({ observation, flows: rows, intraNodeSeenByAgent: intraNode.seenByAgent });
  return {
    ok: problems.length === 0,
    problems,
    secondsToReady: status.readySeconds ?? 0,
    mesh: status.mesh,
    nodes: status.nodes.map((node) => node.name),
    pods: status.pods.map((pod) => ({ pod: pod.uid, node: pod.node, state: pod.state })),
    flows: rows.map(toFlow),
    wire: {
      packets: wire?.packets ?? 0,
      plaintextPackets: wire?.plaintextPackets ?? 0,
      tlsVersion: wire?.tlsVersions.join(", ") ?? "",
      keyExchange: wire?.keyExchanges.join(", ") ?? "",
    },
    intraNode,
    agents: status.agents.map(({ node, rssMb, cpuSeconds }) => ({
      node,
      rssMb: round(rssMb),
      cpuSeconds: round(cpuSeconds),
    })),
  };
}

/** Connections between pods of one node that an agent took: each agent counts them under this path. */
function localConnections({ agents }: LabObservation): number {
  const local = agents.flatMap((agent) => agent.connections).filter((flow) => flow.path === "local");
  return local.reduce((sum, flow) => sum + flow.opened, 0);
}

function toFlow(row: FlowRow): ReportedFlow {
  return {
    from: row.from,
    to: row.to,
    path: row.path,
    crossNode: row.crossNode,
    connections: row.connections,
    requests: row.requests,
    errors: row.errors,
    bytes: row.bytes,
    p50Ms: round(percentileMs(row.latency, 0.5)),
    p99Ms: round(percentileMs(row.latency, 0.99)),
  };
}

/** Microseconds are noise. */
function round(value: number): number {
  return Math.round(value * 100) / 100;
}
