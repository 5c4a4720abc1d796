/** The verdict on a lab: every reason why all is not well, in words for a person (pure). Empty = all is well. */
import type { LabPodState, WireSummary } from "../lab-status.ts";
import type { FlowRow } from "./flow-table.ts";
import type { LabObservation } from "./lab-observation.ts";

export interface Judged {
  readonly observation: LabObservation;
  readonly flows: readonly FlowRow[];
  /** Same-node connections that passed an agent. */
  readonly intraNodeSeenByAgent: number;
}

/** A client writes each second: this old, it hangs or has ended. */
const STALE_STATS_MS = 5000;
const WELL: ReadonlySet<LabPodState> = new Set(["ready", "succeeded", "skipped"]);
const EXPECTED_TLS = "TLSv1.3";
const EXPECTED_KEY_EXCHANGE = "X25519MLKEM768";
const SHOWN_SAMPLES = 3;

export function findProblems(judged: Judged): readonly string[] {
  const { observation, flows } = judged;
  const always = [...podProblems(observation), ...clientProblems(observation), ...flowProblems(flows)];
  if (!observation.status.mesh) return always;
  return [...always, ...agentProblems(observation), ...pathProblems(judged), ...wireProblems(observation)];
}

function podProblems({ status }: LabObservation): readonly string[] {
  const phase = status.phase === "ready" ? [] : [`Lab is ${status.phase}: ${status.detail}`];
  const pods = status.pods.filter((pod) => !WELL.has(pod.state));
  return [
    ...phase,
    ...pods.map((pod) => `Pod ${pod.uid} is ${pod.state}${pod.reason === undefined ? "" : `: ${pod.reason}`}`),
  ];
}

function clientProblems({ clients, takenMs }: LabObservation): readonly string[] {
  if (clients.length === 0) return ["No client has written stats"];
  return clients.flatMap((client) => {
    const ageMs = takenMs - client.updatedMs;
    const stale =
      ageMs > STALE_STATS_MS ? [`${client.pod} has not written stats for ${Math.round(ageMs / 1000)} s`] : [];
    const silent = client.destinations.filter((one) => one.placements.every((stats) => stats.requests === 0));
    return [
      ...stale,
      ...silent.map((one) => `${client.pod} has had no answer from ${one.service}${because(one.lastError)}`),
    ];
  });
}

function flowProblems(flows: readonly FlowRow[]): readonly string[] {
  const failed = flows.filter((flow) => flow.errors > 0);
  return failed.map(({ from, to, errors, requests, lastError }) => {
    return `${errors} of ${errors + requests} calls from ${from} to ${to} failed${because(lastError)}`;
  });
}

function agentProblems({ status, agents }: LabObservation): readonly string[] {
  const unwell = status.agents.filter((agent) => agent.state !== "running" || !agent.ready);
  const silent = status.agents.filter(
    (agent) => agent.state === "running" && !agents.some(({ node }) => node === agent.node),
  );
  return [
    ...unwell.map((agent) => `Agent of ${agent.node} is ${agent.state === "running" ? "not ready" : agent.state}`),
    ...silent.map((agent) => `Agent of ${agent.node} gives no metrics`),
  ];
}

function pathProblems({ flows, intraNodeSeenByAgent }: Judged): readonly string[] {
  const past = flows.filter((flow) => flow.crossNode && flow.path === "direct" && flow.requests > 0);
  const seen = intraNodeSeenByAgent === 0 ? [] : [`${intraNodeSeenByAgent} connections within a node passed an agent`];
  return [...past.map(({ from, to }) => `Calls from ${from} to ${to} on another node passed no tunnel`), ...seen];
}

function wireProblems({ wire, wireError }: LabObservation): readonly string[] {
  if (wire === undefined) return [`Underlay was not captured: ${wireError}`];
  if (wire.packets === 0) return ["Capture of the underlay saw nothing"];
  return [...plaintextProblems(wire), ...tlsProblems(wire), ...droppedProblems(wire)];
}

function plaintextProblems(wire: WireSummary): readonly string[] {
  if (wire.plaintextPackets === 0) return [];
  const samples = wire.plaintextSamples.slice(0, SHOWN_SAMPLES).map((sample) => `\n    ${sample}`);
  return [`${wire.plaintextPackets} packets on the underlay were readable:${samples.join("")}`];
}

function tlsProblems(wire: WireSummary): readonly string[] {
  const wrong = (what: string, found: readonly string[], wanted: string) =>
    found.length === 1 && found[0] === wanted
      ? []
      : [`${what} on the wire: ${found.join(", ") || "none seen"} instead of ${wanted}`];
  return [
    ...wrong("TLS version", wire.tlsVersions, EXPECTED_TLS),
    ...wrong("Key exchange", wire.keyExchanges, EXPECTED_KEY_EXCHANGE),
  ];
}

/** Only the detailed summary says it. */
function droppedProblems(wire: WireSummary & { readonly droppedPackets?: number }): readonly string[] {
  const dropped = wire.droppedPackets ?? 0;
  return dropped === 0 ? [] : [`${dropped} packets on the underlay were not seen by the capture`];
}

function because(reason: string | undefined): string {
  return reason === undefined ? "" : `, last because: ${reason}`;
}
