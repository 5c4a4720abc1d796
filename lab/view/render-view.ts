/**
 * The live view as lines of text (pure): a title, the wire, the pods, nodes with their agents, flows. What matters most
 * comes first, since a low terminal shows only the beginning.
 *
 * Rates and percentiles are those between an earlier observation and the latest; everything else is since the start.
 */
import { type FlowRow, flowTable } from "../report/flow-table.ts";
import type { LabObservation } from "../report/lab-observation.ts";
import type { LabAgentStatus, LabPodStatus, LabStatus } from "../lab-status.ts";
import { percentileMs, subtractCounts } from "../shop/latency-histogram.ts";
import { formatBytes, formatCount, formatMs, formatRemaining } from "./format-quantity.ts";
import { type Column, textTable } from "./text-table.ts";

/** With `earlier` the same as `latest` all rates are 0. */
export interface ViewModel {
  readonly earlier: LabObservation;
  readonly latest: LabObservation;
}

const left = (title: string): Column => ({ title, align: "left" });
const right = (title: string): Column => ({ title, align: "right" });

const NODE_COLUMNS = [
  ...[left("NODE"), left("AGENT"), right("PID"), right("RSS MB"), right("CPU %"), right("TABLE")],
  ...[left("TLS"), left("KEY EXCHANGE"), right("CERT"), right("TUNNELS"), right("PODS")],
];
const FLOW_COLUMNS = [
  ...[left("CLIENT"), left("SERVICE"), left("PATH"), left("NODE"), right("CONNS"), right("REQ/S")],
  ...[right("P50 MS"), right("P99 MS"), right("BYTES"), right("ERRORS")],
];

export function renderView(model: ViewModel): readonly string[] {
  const { latest } = model;
  return [
    titleLine(latest),
    ...wireLines(latest),
    ...podLines(latest.status.pods),
    "",
    ...textTable(NODE_COLUMNS, nodeRows(model)),
    "",
    ...textTable(FLOW_COLUMNS, flowRows(model)),
  ];
}

function titleLine({ status }: LabObservation): string {
  const mode = status.mesh ? (status.encryption ?? "mesh") : "no mesh";
  const controller = status.controller;
  const control = controller === undefined ? "" : `   controller ${controllerText(controller)}`;
  const phase =
    status.phase === "ready" ? `ready after ${status.readySeconds?.toFixed(1)} s` : `${status.phase}: ${status.detail}`;
  return `hawser lab ${status.name}   ${mode}   ${phase}${control}`;
}

function controllerText(controller: NonNullable<LabObservation["status"]["controller"]>): string {
  if (controller.state !== "running") return controller.state;
  return `table ${controller.sequence ?? "?"}, ${controller.rssMb.toFixed(0)} MB, ${controller.cpuSeconds.toFixed(1)} s cpu`;
}

function nodeRows({ earlier, latest }: ViewModel): readonly (readonly string[])[] {
  return latest.status.nodes.flatMap((node) => {
    const pods = String(latest.status.pods.filter((pod) => pod.node === node.name && pod.state === "ready").length);
    const agents = latest.status.agents.filter((agent) => agent.node === node.name);
    if (agents.length === 0) return [[node.name, "none", ...Array<string>(8).fill("-"), pods]];
    return agents.map((agent) => {
      const metrics = agent.state === "running" ? latest.agents.find((one) => one.node === node.name) : undefined;
      const before = earlier.status.agents.find((one) => one.pid === agent.pid);
      const cpuShare =
        (agent.cpuSeconds - (before?.cpuSeconds ?? agent.cpuSeconds)) / secondsBetween({ earlier, latest });
      const expiryMs = metrics?.nearestExpiryMs;
      return [
        ...[node.name, agentState(agent, latest.status), String(agent.pid)],
        ...[
          agent.rssMb.toFixed(0),
          (cpuShare * 100).toFixed(1),
          String(metrics?.tableSequence ?? agent.appliedSequence ?? "-"),
        ],
        ...[metrics?.tlsVersions.join(",") || "-", metrics?.keyExchanges.join(",") || "-"],
        ...[
          expiryMs === undefined ? "-" : formatRemaining(expiryMs - latest.takenMs),
          String(metrics?.tunnelsOpen ?? "-"),
          pods,
        ],
      ];
    });
  });
}

/** Whether it is ready is what the controller says: without one, all that is known is that it runs. */
function agentState({ state, ready }: LabAgentStatus, { controller }: LabStatus): string {
  if (state === "exited") return "exited";
  if (ready) return "ready";
  return controller !== undefined && controller.state !== "running" ? "running" : "starting";
}

function flowRows(model: ViewModel): readonly (readonly string[])[] {
  const before = new Map(flowTable(model.earlier).map((row) => [flowKey(row), row]));
  return flowTable(model.latest).map((row) => {
    const then = before.get(flowKey(row));
    const recent = subtractCounts(row.latency, then?.latency ?? []);
    const perSecond = Math.max(0, row.requests - (then?.requests ?? 0)) / secondsBetween(model);
    return [
      ...[
        row.from,
        row.to,
        pathOf(row),
        row.crossNode ? "other" : "same",
        formatCount(row.connections),
        perSecond.toFixed(1),
      ],
      ...[
        formatMs(percentileMs(recent, 0.5)),
        formatMs(percentileMs(recent, 0.99)),
        formatBytes(row.bytes),
        formatCount(row.errors),
      ],
    ];
  });
}

/** Agents count a connection within a second: until a call has gone across, nobody can say which way. */
function pathOf({ path, crossNode, requests }: FlowRow): string {
  return crossNode && path === "direct" && requests === 0 ? "-" : path;
}

/** Not the path: a flow that has just been found to be tunnelled is still the same. */
function flowKey(row: FlowRow): string {
  return `${row.from} ${row.to} ${row.crossNode}`;
}

function wireLines({ wire, wireError }: LabObservation): readonly string[] {
  if (wire === undefined) return [`wire   not captured: ${wireError}`];
  const tls = [...wire.tlsVersions, ...wire.keyExchanges].join(" ");
  const readable = `${formatCount(wire.plaintextPackets)} with readable payload`;
  const counts = `wire   ${formatCount(wire.packets)} packets, ${readable}${tls === "" ? "" : `   ${tls}`}`;
  const [sample] = wire.plaintextSamples;
  return sample === undefined ? [counts] : [counts, `       ${sample}`];
}

function podLines(pods: readonly LabPodStatus[]): readonly string[] {
  const ready = pods.filter((pod) => pod.state === "ready").length;
  const others = pods.filter((pod) => pod.state !== "ready");
  const shown = others.map((pod) => `${pod.uid} ${pod.state}${pod.reason === undefined ? "" : ` (${pod.reason})`}`);
  return [`pods   ${ready} ready${shown.length === 0 ? "" : `, ${shown.join(", ")}`}`];
}

function secondsBetween({ earlier, latest }: ViewModel): number {
  return Math.max(0.001, (latest.takenMs - earlier.takenMs) / 1000);
}
